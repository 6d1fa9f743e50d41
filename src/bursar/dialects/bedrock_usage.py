"""Bedrock's usage object, settled into disjoint meters.

``inputTokens`` excludes cache reads and writes; ``totalTokens`` is the sum of all four (recorded: 3 + 288 + 2,074
written = 2,365; the AWS Converse API reference names the fields). Converse says ``cacheReadInputTokens`` where Nova's
native answer and the invocation metrics say ``cacheReadInputTokenCount``. ``cacheDetails`` splits the writes by time to
live.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import count, mapping, objects
from bursar.usage import EMPTY, Meter, Usage, usage_of

Names = tuple[str, ...]

_INPUT: Final[Names] = ("inputTokens", "inputTokenCount")
_OUTPUT: Final[Names] = ("outputTokens", "outputTokenCount")
_READ: Final[Names] = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITTEN: Final[Names] = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")


class Measure(Struct, frozen=True):
    """A usage object, understood."""

    usage: Usage
    known: bool
    """The object counts tokens at all."""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def measure(usage: Mapping[str, Any]) -> Measure:
    """Settle a usage object; its meters add up to ``totalTokens``, or a problem says that they do not."""
    problems: list[str] = []
    notes: list[str] = []
    given = _first(usage, _INPUT, problems)
    made = _first(usage, _OUTPUT, problems)
    if given is None and made is None:
        return Measure(EMPTY, known=False, problems=tuple(problems))
    read = _first(usage, _READ, problems) or 0
    written = _first(usage, _WRITTEN, problems) or 0
    meters = {Meter.INPUT_TEXT: given or 0, Meter.CACHE_READ: read, Meter.OUTPUT_TEXT: made or 0}
    if written:
        hour = _hour_writes(usage.get("cacheDetails"), written, problems, notes)
        meters[Meter.CACHE_WRITE_5M] = written - hour
        meters[Meter.CACHE_WRITE_1H] = hour
    total = count(usage, "totalTokens", problems)
    parts = (given or 0) + (made or 0) + read + written
    if total is not None and total != parts:
        problems.append(f"totalTokens is {total}, its parts add up to {parts}")
    if usage.get("serverToolUsage"):
        notes.append(f"server tools were used and are not metered: {mapping(usage['serverToolUsage'])}")
    return Measure(usage_of(meters), known=True, problems=tuple(problems), notes=tuple(notes))


def _first(usage: Mapping[str, Any], names: Names, problems: list[str]) -> int | None:
    for name in names:
        value = count(usage, name, problems)
        if value is not None:
            return value
    return None


def _hour_writes(details: object, written: int, problems: list[str], notes: list[str]) -> int:
    """Cache writes kept for an hour; all others have the default time to live of five minutes."""
    by_ttl: dict[object, int] = {}
    for entry in objects(details):
        ttl = str(entry.get("ttl"))
        by_ttl[ttl] = by_ttl.get(ttl, 0) + (count(entry, "inputTokens", problems) or 0)
    if sum(by_ttl.values()) > written:
        problems.append(f"cacheDetails add up to {sum(by_ttl.values())}, more than the {written} tokens written")
    elif by_ttl and by_ttl.get("5m", 0) + by_ttl.get("1h", 0) < written:
        notes.append("cache writes of unknown time to live taken for 5 minutes")
    return min(by_ttl.get("1h", 0), written)
