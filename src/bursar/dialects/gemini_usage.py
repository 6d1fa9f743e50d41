"""Gemini's usage metadata, settled into disjoint meters.

``promptTokenCount`` includes cached tokens, ``thoughtsTokenCount`` stands beside ``candidatesTokenCount``, and tokens
that server-side tools read come on top in ``toolUsePromptTokenCount``; ``totalTokenCount`` is the sum of the four
(python-genai 3.4, `types.py`, GenerateContentResponseUsageMetadata). The ``…Details`` lists split prompt, cache and
output by modality, each with its own price. Documents are priced as the text they are read as.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import count, objects, text
from bursar.usage import EMPTY, Meter, Usage, usage_of

_INPUT: Final[Mapping[str, Meter]] = {
    "TEXT": Meter.INPUT_TEXT,
    "AUDIO": Meter.INPUT_AUDIO,
    "IMAGE": Meter.INPUT_IMAGE,
    "VIDEO": Meter.INPUT_VIDEO,
}
_CACHED: Final[Mapping[str, Meter]] = {
    "TEXT": Meter.CACHE_READ,
    "AUDIO": Meter.CACHE_READ_AUDIO,
    "IMAGE": Meter.CACHE_READ_IMAGE,
    "VIDEO": Meter.CACHE_READ_VIDEO,
}
_OUTPUT: Final[Mapping[str, Meter]] = {
    "TEXT": Meter.OUTPUT_TEXT,
    "AUDIO": Meter.OUTPUT_AUDIO,
    "IMAGE": Meter.OUTPUT_IMAGE,
    "VIDEO": Meter.OUTPUT_VIDEO,
}

Split = dict[str, int]
"""Tokens by modality."""


class Measure(Struct, frozen=True):
    """Usage metadata, understood."""

    usage: Usage
    known: bool
    """The metadata counts tokens at all."""
    problems: tuple[str, ...] = ()


def measure(usage: Mapping[str, Any]) -> Measure:
    """Settle usage metadata; its meters add up to ``totalTokenCount``, or a problem says that they do not."""
    problems: list[str] = []
    prompt = count(usage, "promptTokenCount", problems)
    answer = count(usage, "candidatesTokenCount", problems)
    cached = count(usage, "cachedContentTokenCount", problems) or 0
    thoughts = count(usage, "thoughtsTokenCount", problems)
    tools = count(usage, "toolUsePromptTokenCount", problems)
    total = count(usage, "totalTokenCount", problems)
    counts = (prompt, answer, thoughts, tools)
    if counts == _NOTHING:
        return Measure(EMPTY, known=False, problems=tuple(problems))
    meters = _input(usage, prompt or 0, cached, problems)
    for modality, tokens in _split(usage, "candidatesTokensDetails", answer or 0, problems).items():
        meters[_OUTPUT[modality]] = tokens
    meters[Meter.OUTPUT_REASONING] = thoughts or 0
    meters[Meter.TOOL_INPUT] = tools or 0
    parts = sum(part or 0 for part in counts)
    if total is not None and total != parts:
        problems.append(f"totalTokenCount is {total}, its parts add up to {parts}")
    return Measure(usage_of(meters), known=True, problems=tuple(problems))


_NOTHING: Final = (None, None, None, None)


def _input(usage: Mapping[str, Any], prompt: int, cached: int, problems: list[str]) -> dict[Meter, int]:
    """Uncached and cached prompt tokens by modality."""
    split = _split(usage, "promptTokensDetails", prompt, problems)
    if not cached:
        return {_INPUT[modality]: tokens for modality, tokens in split.items()}
    if cached > prompt:
        problems.append(f"cachedContentTokenCount {cached} exceeds promptTokenCount {prompt}")
        cached = prompt
    from_cache = _split(usage, "cacheTokensDetails", cached, problems)
    if any(tokens > split.get(modality, 0) for modality, tokens in from_cache.items()):
        from_cache = _take(split, cached)
    meters = {_CACHED[modality]: tokens for modality, tokens in from_cache.items()}
    for modality, tokens in split.items():
        meters[_INPUT[modality]] = tokens - from_cache.get(modality, 0)
    return meters


def _split(usage: Mapping[str, Any], name: str, total: int, problems: list[str]) -> Split:
    """A total by modality; what the details leave out is text, and details that exceed it are not believed."""
    details = usage.get(name)
    if not details:
        return {"TEXT": total}
    split: Split = {}
    for entry in objects(details):
        modality = text(entry.get("modality"))
        known = modality if modality is not None and modality in _INPUT else "TEXT"
        split[known] = split.get(known, 0) + (count(entry, "tokenCount", problems) or 0)
    rest = total - sum(split.values())
    if rest < 0:
        problems.append(f"{name} add up to {total - rest}, more than the {total} tokens they split")
        return {"TEXT": total}
    split["TEXT"] = split.get("TEXT", 0) + rest
    return split


def _take(split: Split, cached: int) -> Split:
    """Cached tokens of unknown modality, taken from the prompt's modalities in the order listed, text first."""
    taken: Split = {}
    for modality in _INPUT:
        taken[modality] = min(cached, split.get(modality, 0))
        cached -= taken[modality]
    return taken
