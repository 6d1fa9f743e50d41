"""The most tokens that an image can be."""

import pytest

from bursar.catalog.image_limits import most_drawn_tokens, most_image_tokens


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 24_600),
        ("gpt-4o-mini-2024-07-18", 48_169),
        ("gpt-5.4-nano", 24_600),
        ("claude-sonnet-5", 5_000),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 5_000),
        ("anthropic/claude-opus-4.5", 5_000),
        ("gemini-2.5-flash", 8_256),
        ("gpt-6-luna", None),
        ("gemini-4-argon", None),
        ("mistral.pixtral-large-2502-v1:0", None),
        ("not-claude", None),
    ],
)
def test_most_image_tokens(model, tokens):
    """Rules go by the beginning of the model's own name; a model without one has no known limit."""
    assert tokens == most_image_tokens(model)


@pytest.mark.parametrize(
    ("model", "tokens"), [("gpt-image-1-mini", 6_640), ("gpt-image-2", 20_000), ("dall-e-3", None)]
)
def test_most_drawn_tokens(model, tokens):
    """Drawn images have limits of their own."""
    assert tokens == most_drawn_tokens(model)
