"""OpenAI-style usage objects, settled into disjoint meters: the one place that decides what sits inside what.

Chat completions say ``prompt_tokens`` and ``completion_tokens``, everything newer says ``input_tokens`` and
``output_tokens``; compatible providers mix both and add fields of their own. What the totals contain differs as well:

- cached reads and writes are inside the input (OpenAI, Mistral, DeepSeek, Groq, OpenRouter, xAI) or beside it (some
  proxies in front of Claude pass Anthropic's exclusive counts through);
- reasoning is inside the output (all of them) or beside it (xAI: 32 + 9 + 94 reasoning = 135 in its own reference).

So the shape is not assumed by provider but probed: that reading is chosen whose sum is the provider's own
``total_tokens``. Where none fits, the row is `inconsistent` and keeps the raw figures; its usage is then the best
disjoint reading, never negative and never less than the provider's total.

Rejected prediction tokens are inside the completion tokens and billed like them (openai-python
`types/completion_usage.py`), hence not a meter of their own.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import count, mapping
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_ordinary import ordinary_usage
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of

Names = tuple[str, ...]

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_READS: Final = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
_WRITES: Final = ("cache_creation_input_tokens", "cache_write_tokens")
_DETAIL_READS: Final = ("cached_tokens",)
_DETAIL_WRITES: Final = ("cache_write_tokens", "cache_creation_tokens")
_REASONING: Final = ("reasoning_tokens",)
_STANDARD: Final = frozenset({*_INPUT, *_OUTPUT, *_INPUT_DETAILS, *_OUTPUT_DETAILS, "total_tokens"})
"""Fields of OpenAI's own usage objects; only where there are others, others are looked for."""


class Settlement(Struct, frozen=True):
    """A usage object, understood."""

    usage: Usage | None
    """``None`` when the object counts nothing that is known."""
    status: UsageStatus
    notes: tuple[str, ...] = ()


class Plain(Struct, frozen=True):
    """The meters of tokens that no detail claims: text, unless the endpoint produces or takes other media."""

    input: Meter = Meter.INPUT_TEXT
    output: Meter = Meter.OUTPUT_TEXT


TEXT: Final = Plain()


def settle(usage: Mapping[str, Any], flavour: Flavour, plain: Plain = TEXT) -> Settlement:
    """Read a usage object into disjoint meters."""
    ordinary = ordinary_usage(usage) if plain is TEXT else None
    return Settlement(ordinary, UsageStatus.REPORTED) if ordinary is not None else probe(usage, flavour, plain)


def probe(usage: Mapping[str, Any], flavour: Flavour, plain: Plain = TEXT) -> Settlement:
    """Read a usage object that may be anything; what it makes of an ordinary one is what `settle` makes of it."""
    billed = usage.get("billed_units")
    if billed and isinstance(billed, dict):
        return _billed_units(billed)
    problems: list[str] = []
    counts = _Counts.of(usage, flavour, problems)
    if counts is None:
        return Settlement(None, UsageStatus.MISSING, (*problems, "the usage object counts no tokens"))
    notes: list[str] = []
    meters = _input_meters(counts, flavour, plain, problems, notes)
    _add_output_meters(counts, meters, plain, problems)
    _account_for_total(counts, meters, problems, notes)
    status = UsageStatus.INCONSISTENT if problems else UsageStatus.REPORTED
    return Settlement(usage_of(meters), status, (*problems, *notes))


class _Counts(Struct):
    """The figures of one usage object; 0 where a part is not mentioned."""

    input: int
    output: int
    total: int | None
    input_details: Mapping[str, Any]
    output_details: Mapping[str, Any]
    reads: int = 0
    writes: int = 0
    reasoning: int = 0
    audio_ms: int = 0
    caches_beside: bool = False
    reasoning_beside: bool = False

    @classmethod
    def of(cls, usage: Mapping[str, Any], flavour: Flavour, problems: list[str]) -> "_Counts | None":
        sent = _first(usage, _INPUT, problems)
        produced = _first(usage, _OUTPUT, problems)
        total = count(usage, "total_tokens", problems)
        if sent is None and produced is None and not total:
            return None
        if sent is None:
            sent = max((total or 0) - (produced or 0), 0)
        into = _details(usage, _INPUT_DETAILS)
        outof = _details(usage, _OUTPUT_DETAILS)
        counts = cls(sent, produced or 0, total, into, outof)
        if any(into.values()):
            counts.reads = _first(into, _DETAIL_READS, problems) or 0
            counts.writes = _first(into, _DETAIL_WRITES, problems) or 0
        if any(outof.values()):
            counts.reasoning = _first(outof, _REASONING, problems) or 0
        if not _STANDARD.issuperset(usage):
            counts._add_top_level(usage, problems)
        counts._probe(flavour)
        return counts

    def _add_top_level(self, usage: Mapping[str, Any], problems: list[str]) -> None:
        """Fields that some providers put beside the totals instead of in the details."""
        self.reads = self.reads or _first(usage, _READS, problems) or 0
        self.writes = self.writes or _first(usage, _WRITES, problems) or 0
        self.reasoning = self.reasoning or _first(usage, _REASONING, problems) or 0
        self.audio_ms = milliseconds(usage.get("prompt_audio_seconds")) or 0
        missed = count(usage, "prompt_cache_miss_tokens", problems)
        if missed is not None and self.reads + missed != self.input:
            problems.append(
                f"cache hits ({self.reads}) and misses ({missed}) do not add up to the input ({self.input})"
            )

    def _probe(self, flavour: Flavour) -> None:
        """Settle what sits beside the totals instead of inside."""
        cached = self.reads + self.writes
        if not cached and not self.reasoning:
            return
        must_beside = cached > self.input
        must_reason = self.reasoning > self.output
        for caches, reasons in ((False, False), (False, True), (True, False), (True, True)):
            fits = self.total == self.input + self.output + caches * cached + reasons * self.reasoning
            if fits and caches >= must_beside and reasons >= must_reason:
                self.caches_beside, self.reasoning_beside = caches, reasons
                return
        self.caches_beside = must_beside
        self.reasoning_beside = must_reason or (flavour.reasoning_beside and self.total is None)


def _input_meters(
    counts: _Counts, flavour: Flavour, plain: Plain, problems: list[str], notes: list[str]
) -> dict[Meter, int]:
    cached = counts.reads + counts.writes
    if counts.caches_beside:
        notes.append(f"cached tokens ({cached}) are reported beside the input ({counts.input}), not inside it")
    uncached = counts.input if counts.caches_beside else counts.input - cached
    meters: dict[Meter, int] = {}
    if cached:
        meters.update(_writes(counts, flavour, notes))
        meters[Meter.CACHE_READ] = counts.reads
    if counts.audio_ms:
        meters[Meter.INPUT_AUDIO_MS] = counts.audio_ms
    if counts.input_details:
        uncached -= _input_media(counts, meters, uncached, plain, problems)
    meters[plain.input] = meters.get(plain.input, 0) + uncached
    return meters


def _writes(counts: _Counts, flavour: Flavour, notes: list[str]) -> dict[Meter, int]:
    long_lived = count(mapping(counts.input_details.get("cache_write_tokens_details")), "ttl_12h_tokens", []) or 0
    long_lived = min(long_lived, counts.writes)
    if not long_lived:
        return {flavour.cache_write: counts.writes}
    notes.append(f"{long_lived} tokens were written for 12 hours; they are counted as the longest-lived cache writes")
    return {flavour.cache_write: counts.writes - long_lived, Meter.CACHE_WRITE_1H: long_lived}


_MEDIA: Final = (
    ("audio_tokens", Meter.INPUT_AUDIO, Meter.CACHE_READ_AUDIO),
    ("image_tokens", Meter.INPUT_IMAGE, Meter.CACHE_READ_IMAGE),
    ("video_tokens", Meter.INPUT_VIDEO, Meter.CACHE_READ_VIDEO),
)


def _input_media(counts: _Counts, meters: dict[Meter, int], uncached: int, plain: Plain, problems: list[str]) -> int:
    """Move media tokens out of the uncached and the cached input; returns how many uncached tokens were claimed.

    Only realtime-style answers split the cached tokens by medium. Without that split the cache is taken to hold text
    first, and media only as far as the text does not suffice.
    """
    claimed = 0
    for name, fresh, cached in _MEDIA:
        if not counts.input_details.get(name):
            continue
        tokens = count(counts.input_details, name, problems) or 0
        room = meters.get(Meter.CACHE_READ, 0)
        split = mapping(counts.input_details.get("cached_tokens_details"))
        overflow = count(split, name, problems) if split else tokens - (uncached - claimed)
        from_cache = min(max(overflow or 0, 0), room, tokens)
        if tokens - from_cache > uncached - claimed:
            problems.append(f"{name} ({tokens}) exceed the input ({counts.input})")
            continue
        meters[fresh] = tokens - from_cache
        claimed += tokens - from_cache
        if from_cache:
            meters[cached] = from_cache
            meters[Meter.CACHE_READ] = room - from_cache
    if plain.input is not Meter.INPUT_TEXT:
        words = min(count(counts.input_details, "text_tokens", problems) or 0, uncached - claimed)
        meters[Meter.INPUT_TEXT] = words
        claimed += words
    return claimed


def _add_output_meters(counts: _Counts, meters: dict[Meter, int], plain: Plain, problems: list[str]) -> None:
    left = counts.output + (counts.reasoning if counts.reasoning_beside else 0)
    if counts.reasoning:
        meters[Meter.OUTPUT_REASONING] = counts.reasoning
        left -= counts.reasoning
    if counts.output_details:
        for name, meter in _PRODUCED:
            if meter is plain.output or not counts.output_details.get(name):
                continue
            tokens = count(counts.output_details, name, problems) or 0
            if tokens > left:
                problems.append(f"{name} ({tokens}) exceed the output ({counts.output})")
                continue
            meters[meter] = tokens
            left -= tokens
    meters[plain.output] = meters.get(plain.output, 0) + left


_PRODUCED: Final = (
    ("audio_tokens", Meter.OUTPUT_AUDIO),
    ("image_tokens", Meter.OUTPUT_IMAGE),
    ("text_tokens", Meter.OUTPUT_TEXT),
)


def _account_for_total(counts: _Counts, meters: dict[Meter, int], problems: list[str], notes: list[str]) -> None:
    """Compare with the provider's own total. Tokens that only the total knows of are counted as reasoning: that is what
    providers leave out (Gemini behind its OpenAI-compatible endpoint), and the row is flagged.
    """
    if counts.total is None:
        return
    summed = counts.input + counts.output
    summed += (counts.reads + counts.writes) * counts.caches_beside + counts.reasoning * counts.reasoning_beside
    gap = counts.total - summed
    if gap > 0 and counts.audio_ms:
        notes.append(f"{gap} audio tokens of the total are billed by the second")
    elif gap > 0:
        problems.append(f"total_tokens ({counts.total}) exceeds its parts by {gap}, counted as reasoning")
        meters[Meter.OUTPUT_REASONING] = meters.get(Meter.OUTPUT_REASONING, 0) + gap
    elif gap < 0:
        problems.append(f"total_tokens ({counts.total}) falls short of its parts by {-gap}")


_BILLED: Final = (
    ("input_tokens", Meter.INPUT_TEXT),
    ("output_tokens", Meter.OUTPUT_TEXT),
    ("search_units", Meter.SEARCH_UNITS),
    ("images", Meter.IMAGES),
)


def _billed_units(billed: Mapping[str, Any]) -> Settlement:
    """Cohere charges ``billed_units``; its ``tokens`` include the chat template (cohere-python types)."""
    problems: list[str] = []
    meters = {meter: count(billed, name, problems) or 0 for name, meter in _BILLED}
    status = UsageStatus.INCONSISTENT if problems else UsageStatus.REPORTED
    return Settlement(usage_of(meters), status, tuple(problems))


def milliseconds(value: object) -> int | None:
    """Seconds, a number or (whisper's verbose_json) decimal text, in whole milliseconds; ``None`` for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_SECONDS:
        return None
    return round(value * 1000)


_MAX_SECONDS: Final = 10**9


def _first(holder: Mapping[str, Any], names: Names, problems: list[str]) -> int | None:
    for name in names:
        if name in holder:
            value = count(holder, name, problems)
            if value is not None:
                return value
    return None


def _details(usage: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    for name in names:
        value = usage.get(name)
        if isinstance(value, dict):
            return value
    return _NO_DETAILS


_NO_DETAILS: Final[Mapping[str, Any]] = {}
