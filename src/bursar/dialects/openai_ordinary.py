"""The usage object that nearly every answer carries: OpenAI's own fields, nothing but text, figures that add up.

`openai_usage` probes what sits inside what, for every provider's variant. Where the totals already add up without the
cached and reasoning tokens, those lie inside, whoever the provider is, and there is nothing to probe: such an object is
read here, at a third of the cost. Everything else is left alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import MAX_COUNT
from bursar.usage import Meter, Usage


class _Names(Struct, frozen=True):
    """What one API calls the fields."""

    input: str
    output: str
    input_details: str
    output_details: str
    all: frozenset[str]


def _names(sent: str, produced: str) -> _Names:
    names = (sent, produced, f"{sent}_details", f"{produced}_details")
    return _Names(*names, all=frozenset({*names, "total_tokens"}))


_CHAT: Final = _names("prompt_tokens", "completion_tokens")
_RESPONSES: Final = _names("input_tokens", "output_tokens")

_INPUT_TEXT: Final = int(Meter.INPUT_TEXT)
_CACHE_READ: Final = int(Meter.CACHE_READ)
_OUTPUT_TEXT: Final = int(Meter.OUTPUT_TEXT)
_OUTPUT_REASONING: Final = int(Meter.OUTPUT_REASONING)


def ordinary_usage(usage: Mapping[str, Any]) -> Usage | None:
    """The usage that an ordinary object reports; ``None`` where `openai_usage` has to look closer."""
    names = _CHAT if "prompt_tokens" in usage else _RESPONSES
    sent, produced, total = usage.get(names.input), usage.get(names.output), usage.get("total_tokens")
    if type(sent) is not int or type(produced) is not int or type(total) is not int or total != sent + produced:
        return None
    cached = _only(usage.get(names.input_details), "cached_tokens")
    reasoning = _only(usage.get(names.output_details), "reasoning_tokens")
    if cached is None or reasoning is None or not names.all.issuperset(usage):
        return None
    if not (0 <= cached <= sent and 0 <= reasoning <= produced and total <= MAX_COUNT):
        return None
    counts = []
    if sent > cached:
        counts.append((_INPUT_TEXT, sent - cached))
    if cached:
        counts.append((_CACHE_READ, cached))
    if produced > reasoning:
        counts.append((_OUTPUT_TEXT, produced - reasoning))
    if reasoning:
        counts.append((_OUTPUT_REASONING, reasoning))
    return Usage(tuple(counts))


def _only(details: object, name: str) -> int | None:
    """The count of this name, 0 if absent, as long as the details count nothing else; ``None`` otherwise."""
    if details is None:
        return 0
    if not isinstance(details, dict):
        return None
    found = 0
    for other, value in details.items():
        if type(value) is not int:
            if value is not None:
                return None
        elif value:
            if other != name:
                return None
            found = value
    return found
