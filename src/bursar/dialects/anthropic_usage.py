"""Anthropic's usage object, settled into disjoint meters, per model.

Input counts are exclusive: ``input_tokens`` holds neither cache reads nor cache writes. Thinking is inside
``output_tokens`` (anthropic-sdk-python 2.12, `types/usage.py`).

Top-level fields and ``iterations``: one answer may be made of several samplings, each by its own model. Which of them
the top-level fields contain was settled on recorded traffic and on the SDK's docstrings:

- ``message`` iterations (turns of a server-side tool loop) are inside: 1,128 + 1,289 = 2,417 input tokens recorded.
- ``advisor_message`` (another model) and ``compaction`` (same model) are outside: in the same recording the advisor's
  2,529 are not in the 2,417, and the SDK says of compaction that its tokens "are not included".
- After a server-side fallback the entry of type ``fallback_message`` is what the top level repeats; the ``message``
  entries of the models that declined are outside (Anthropic cookbook, "Classifier fallback and billing", 2026-06-09).

Each iteration is billed at its own model's rates, except a decline before any output, which is not billed (same page,
section 4, and the release notes).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.dialects.fields import count, mapping, objects, text
from bursar.events import Part
from bursar.usage import EMPTY, Meter, Usage, usage_of

Meters = dict[Meter, int]

_TOOLS: Final = (
    ("web_search_requests", Meter.SEARCHES),
    ("web_fetch_requests", Meter.FETCHES),
    ("code_execution_requests", Meter.CODE_EXECUTIONS),
)

_ATTEMPTS: Final = frozenset({"message", "fallback_message"})
"""Iterations that sample the answer itself; all others are side work, billed on top."""


class Measure(Struct, frozen=True):
    """A usage object, understood."""

    parts: tuple[Part, ...]
    """What is billed, by model, in the order of first appearance; the answer's own model first."""
    known: bool
    """The object counts tokens at all."""
    problems: tuple[str, ...] = ()
    """Contradictions found in it."""
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """Everything billed, whichever model it ran on."""
        return self.parts[0].usage if len(self.parts) == 1 else sum((part.usage for part in self.parts), start=EMPTY)


def measure(usage: Mapping[str, Any], *, model: str, refused: bool = False) -> Measure:
    """Settle a usage object of an answer by ``model``.

    ``refused``: the answer was declined, and its provider does not bill a decline before any output.
    """
    problems: list[str] = []
    notes: list[str] = []
    iterations = objects(usage.get("iterations"))
    totals = _tokens(usage, problems, notes, iterations)
    if totals is None:
        return Measure((), known=False, problems=tuple(problems))
    shares = [(model, totals)]
    if iterations:
        shares += _outside_shares(iterations, totals, model, problems, notes)
    if refused and not totals[Meter.OUTPUT_TEXT]:
        notes.append("declined before any output: not billed")
        totals.clear()
    _move_thinking(usage, totals, problems)
    _add_tools(usage, totals, problems)
    if "fallback_credit" in usage and _is_redeemed(usage):
        notes.append("a fallback credit was redeemed: some input is billed as a cache read, which usage does not show")
    return Measure(_by_model(shares), known=True, problems=tuple(problems), notes=tuple(dict.fromkeys(notes)))


def _tokens(
    usage: Mapping[str, Any],
    problems: list[str],
    notes: list[str],
    iterations: Iterable[Mapping[str, Any]] = (),
) -> Meters | None:
    """Token meters of a usage object or of one iteration; ``None`` when it counts neither input nor output."""
    uncached = count(usage, "input_tokens", problems)
    output = count(usage, "output_tokens", problems)
    if uncached is None and output is None:
        return None
    tokens = {
        Meter.INPUT_TEXT: uncached or 0,
        Meter.CACHE_READ: count(usage, "cache_read_input_tokens", problems) or 0,
        Meter.OUTPUT_TEXT: output or 0,
    }
    split = usage.get("cache_creation")
    written = count(usage, "cache_creation_input_tokens", problems)
    if written or split:
        five, hour = _cache_writes(written, split, iterations, problems, notes)
        tokens[Meter.CACHE_WRITE_5M] = five
        tokens[Meter.CACHE_WRITE_1H] = hour
    return tokens


def _cache_writes(
    written: int | None,
    split: object,
    iterations: Iterable[Mapping[str, Any]],
    problems: list[str],
    notes: list[str],
) -> tuple[int, int]:
    """Cache writes by time to live (5 minutes, 1 hour).

    A stream splits them in message_start only, and message_delta may then report another total; the iterations that
    come with it split theirs. What nothing splits is taken for the default of 5 minutes.
    """
    five, hour = _split_of(split, problems)
    if written is None or five + hour == written:
        return five, hour
    inner = [_split_of(entry.get("cache_creation"), problems) for entry in iterations]
    if sum(map(sum, inner)) == written:
        return sum(entry[0] for entry in inner), sum(entry[1] for entry in inner)
    if five + hour > written:
        problems.append(f"cache writes by time to live are {five + hour}, their total is {written}")
        return written - min(hour, written), min(hour, written)
    notes.append(f"{written - five - hour} cache writes of unknown time to live taken for 5 minutes")
    return written - hour, hour


def _split_of(split: object, problems: list[str]) -> tuple[int, int]:
    by_ttl = mapping(split)
    five = count(by_ttl, "ephemeral_5m_input_tokens", problems)
    hour = count(by_ttl, "ephemeral_1h_input_tokens", problems)
    return five or 0, hour or 0


def _outside_shares(
    iterations: list[Mapping[str, Any]], totals: Meters, model: str, problems: list[str], notes: list[str]
) -> list[tuple[str, Meters]]:
    """The iterations that the totals leave out, with their models; checks that the others add up to the totals."""
    is_fallback = any(entry.get("type") == "fallback_message" for entry in iterations)
    inside: list[Meters] = []
    outside: list[tuple[str, Meters]] = []
    for entry in iterations:
        tokens = _tokens(entry, problems, notes)
        if tokens is None:
            problems.append("an iteration without token counts")
            continue
        kind = entry.get("type")
        ran_on = text(entry.get("model")) or model
        is_attempt = kind in _ATTEMPTS
        if is_attempt and not (is_fallback and ran_on != model):
            inside.append(tokens)
        elif is_attempt and not tokens[Meter.OUTPUT_TEXT]:
            notes.append(f"the attempt by {ran_on} declined before any output: not billed")
        else:
            outside.append((ran_on, tokens))
    if inside and _sum(inside) != _sum([totals]):
        problems.append("the iterations do not add up to the totals")
    return outside


def _move_thinking(usage: Mapping[str, Any], totals: Meters, problems: list[str]) -> None:
    details = usage.get("output_tokens_details")
    thinking = count(mapping(details), "thinking_tokens", problems) if details else None
    if not thinking or not totals:
        return
    output = totals[Meter.OUTPUT_TEXT]
    if thinking > output:
        problems.append(f"{thinking} thinking tokens exceed {output} output tokens")
        thinking = output
    totals[Meter.OUTPUT_TEXT] = output - thinking
    totals[Meter.OUTPUT_REASONING] = thinking


def _add_tools(usage: Mapping[str, Any], totals: Meters, problems: list[str]) -> None:
    uses = usage.get("server_tool_use")
    if not uses:
        return
    for name, meter in _TOOLS:
        times = count(mapping(uses), name, problems)
        if times:
            totals[meter] = times


def _is_redeemed(usage: Mapping[str, Any]) -> bool:
    return bool(mapping(mapping(usage["fallback_credit"]).get("status")).get("type") == "redeemed")


def _by_model(shares: list[tuple[str, Meters]]) -> tuple[Part, ...]:
    if len(shares) == 1:
        model, totals = shares[0]
        return (Part(model, usage_of(totals)),)
    by_model: dict[str, Usage] = {}
    for model, totals in shares:
        by_model[model] = by_model.get(model, EMPTY) + usage_of(totals)
    return tuple(Part(model, used) for model, used in by_model.items() if used.counts)


def _sum(shares: Iterable[Meters]) -> Usage:
    return sum(map(usage_of, shares), start=EMPTY)
