"""Why a hold was not granted, and what to do about it: one message for people, whatever dialect carries it."""

from typing import Final

from bursar.clock import US_PER_S, format_us
from bursar.errors import Refusal
from bursar.money import format_usd
from bursar.policy.claims import Standing, Verdict
from bursar.policy.decide import Decision
from bursar.policy.gates import Gate, Measure, Stage

_LONGEST_RETRY_S: Final = 3600
"""Nobody is told to come back after more than an hour: a budget's reset is named in the message instead."""

_STATUS_RETRIES: Final = frozenset(("rate_limited", "concurrency_limited"))
"""Refusals that waiting mends by itself."""


def refusal(decision: Decision, verdict: Verdict, *, at_us: int) -> Refusal:
    """The refusal of a hold that was not granted: the first gate without room, in the order of the decision.

    A budget comes before a limit, because waiting a minute would not help.
    """
    short = sorted(verdict.short, key=lambda one: decision.gates[one].kind == "limit")
    position = short[0]
    gate, standing = decision.gates[position], verdict.standings[position]
    message = _message(gate, standing, decision.amounts[position], at_us=at_us)
    if len(short) > 1:
        others = ", ".join(f"'{decision.gates[one].name}'" for one in short[1:])
        message = f"{message} No room either in {others}."
    retry_after_s = None
    if gate.code in _STATUS_RETRIES:
        retry_after_s = max(_wait_s(verdict.standings[one], at_us) for one in short)
    return Refusal(gate.code, message, retry_after_s=retry_after_s)


def unavailable(gate: Gate, problem: str) -> Refusal:
    """The refusal of a request whose gate is closed while the counters cannot be reached."""
    return Refusal(
        "budget_unavailable",
        f"{_called(gate)} cannot be checked at the moment ({problem}), and it is closed when that happens. Try again; "
        'on_failure = "open" in its configuration would admit such requests unchecked.',
        retry_after_s=1,
    )


def remarks(decision: Decision, verdict: Verdict) -> tuple[str, ...]:
    """What a granted request should know of: soft budgets that are exceeded, stages that were reached."""
    said = []
    for gate, used in zip(decision.gates, verdict.used, strict=True):
        if gate.stages:
            stage = stage_of(gate, used)
            if stage is not None:
                said.append(f"{stage}: {_called(gate)} is at {quantity(used, gate.measure)}")
        elif gate.mode != "hard" and used > gate.limit:
            said.append(f"{gate.mode}: {_called(gate)} is exceeded")
    return tuple(said)


def stage_of(gate: Gate, used: int) -> Stage | None:
    """What it leads to that so much of a gate with stages is used; ``None`` up to its limit, and without stages."""
    exceeded = min((used - 1) // gate.limit, len(gate.stages)) if gate.limit and used else 0
    return gate.stages[exceeded - 1] if exceeded else None


def prefers_cheaper(notes: tuple[str, ...]) -> bool:
    """Whether a remark asks for cheaper models."""
    return any(note.startswith("downgrade: ") for note in notes)


def quantity(amount: int, measure: Measure) -> str:
    """An amount in its measure, as people read it."""
    if measure == "usd":
        return f"${format_usd(amount)}"
    return f"{amount:,} {'requests' if measure == 'concurrency' else measure}"


def _wait_s(standing: Standing, at_us: int) -> int:
    """Seconds until there is room; one where nobody can foresee it."""
    wait_us = US_PER_S if standing.free_us is None else standing.free_us - at_us
    return min(_LONGEST_RETRY_S, max(1, -(-wait_us // US_PER_S)))


def _message(gate: Gate, standing: Standing, amount: int, *, at_us: int) -> str:
    limit = gate.limit if standing.limit is None else standing.limit
    most = quantity(limit, gate.measure)
    match gate.kind:
        case "limit" if gate.measure == "concurrency":
            return f"{_called(gate)} allows {most} at once and {standing.held} are in flight; {gate.hint}."
        case "limit":
            used = quantity(standing.spent + standing.held, gate.measure)
            return f"{_called(gate)} allows {most} a minute and {used} were used in the last one; {gate.hint}."
        case "run" if gate.measure != "usd" or gate.stages:
            return (
                f"{_called(gate)} has reached its limit: {_reached(gate, standing, at_us)}. {gate.hint.capitalize()}."
            )
        case _:
            return (
                f"{_called(gate)} has no room: limit {most}, spent {quantity(standing.spent, gate.measure)}, reserved "
                f"{quantity(standing.held, gate.measure)}, and this request may take up to "
                f"{quantity(amount, gate.measure)}. {_resets(gate, standing)}. Lower max_tokens, or {gate.hint}."
            )


def _reached(gate: Gate, standing: Standing, at_us: int) -> str:
    account = gate.account
    if account.max_age_us is not None and at_us - standing.opened_us > account.max_age_us:
        return f"it began {(at_us - standing.opened_us) // US_PER_S} s ago, at most {account.max_age_us // US_PER_S} s"
    used = quantity(standing.spent + standing.held, gate.measure)
    if "#same/" in account.name:
        return f"the same request came {used.removesuffix(' requests')} times, a loop"
    if gate.stages:
        return f"it spent {used} in five minutes, far more than runs of its type do"
    return f"{used}, at most {quantity(gate.limit, gate.measure)}"


def _resets(gate: Gate, standing: Standing) -> str:
    if gate.resets:
        return gate.resets
    return (
        "It has room when what is in flight ends"
        if standing.free_us is None
        else (f"It has room again at {format_us(standing.free_us)}")
    )


def _called(gate: Gate) -> str:
    whose = f" ({gate.subject})" if gate.subject else ""
    return f"{gate.kind.capitalize()} '{gate.name}'{whose}"
