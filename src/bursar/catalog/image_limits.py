"""The most tokens that one image can be, by model: images are counted by pixels, which a request's bytes do not show.

A model that is not here has no known limit, and only its context window bounds what an image can be. Names are compared
without what providers put before them (``openai/``, ``us.anthropic.``).
"""

import re
from typing import Final

_PREFIX: Final = re.compile(r"(?:.*/)?(?:[a-z]+\.)*")

_READ: Final = (
    ("gpt-4o-mini", 48_169),
    ("gpt-4", 24_600),
    ("gpt-5", 24_600),
    ("chatgpt-4o", 24_600),
    ("o1", 24_600),
    ("o3", 24_600),
    ("o4-mini", 24_600),
    ("claude", 5_000),
    ("gemini-1", 8_256),
    ("gemini-2", 8_256),
    ("gemini-3", 8_256),
    ("gpt-image-1", 12_000),
)
"""Input tokens of one image, by the beginning of the model's name; the first that fits counts.

OpenAI ("Images and vision", calculating costs, read 2026-11): tiles of 512 pixels after scaling to 2,048 by 768, at
most eight of them, 85 + 8 x 170 tokens and for gpt-4o-mini 2,833 + 8 x 5,667; or patches of 32 pixels, at most 10,000
of them with detail ``original`` (1,536 before), times at most 2.46. What GPT-6 does not scale down has no stated end.
GPT Image models read an image as tiles and add up to 6,240 tokens for high input fidelity.
Anthropic ("Vision", read 2026-11): at most 4,784 tokens, larger images are scaled down.
Gemini ("Media resolution", read 2026-11): 2,240 tokens at most from version 3 on; before, tiles of 258 tokens, about
2,048 together, of which four times as many are allowed for here.
"""

_DRAWN: Final = (("gpt-image-1", 6_640), ("gpt-image-", 20_000), ("chatgpt-image", 20_000))
"""Output tokens of one drawn image. OpenAI ("Image generation", read 2026-11): 6,240 for the largest size of GPT Image
1 at high quality and 100 for each of up to three partial images; its calculator says 12,329 for 3,584 by 2,048 pixels
of GPT Image 2, whose largest size has an eighth more of them.
"""


def most_image_tokens(model: str) -> int | None:
    """The most input tokens one image can be; ``None`` when that is not known."""
    return _first(_READ, model)


def most_drawn_tokens(model: str) -> int | None:
    """The most output tokens one drawn image can be; ``None`` when that is not known."""
    return _first(_DRAWN, model)


def _first(rules: tuple[tuple[str, int], ...], model: str) -> int | None:
    prefix = _PREFIX.match(model)
    name = model[prefix.end() :] if prefix else model
    return next((tokens for start, tokens in rules if name.startswith(start)), None)
