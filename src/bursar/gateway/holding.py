"""What one attempt holds of the accounts that its request counts against: reserved before it is sent, settled once.

Fails as each rule says: a closed gate refuses (503) what cannot be counted, an open one admits it and the row says so.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bursar.counters.protocol import Reserving
from bursar.errors import CountersUnavailable, Refusal
from bursar.events import Settled
from bursar.money import Pico
from bursar.policy.claims import Hold, Verdict
from bursar.policy.decide import Decision
from bursar.policy.gates import Gate, WhenShort
from bursar.policy.refusals import refusal, remarks, unavailable
from bursar.policy.stems import stem_of
from bursar.usage import tokens_of

BLIND: Final = "what was spent before is still being read from the ledger"


class NoRoom(Struct, frozen=True):
    """A hold that was not granted."""

    refusal: Refusal
    room: int | None = None
    """Picodollars that are left, where every gate without room asks for the request to be fitted into that."""
    way: WhenShort = "refuse"
    """How they ask for it."""
    gates: tuple[Gate, ...] = ()
    """Those without room."""


class Holding:
    """A granted hold, or one that was admitted unchecked."""

    __slots__ = ("_counters", "_decision", "_hold", "_used", "notes")

    def __init__(self, counters: Reserving, decision: Decision, hold: Hold, verdict: Verdict | None, note: str) -> None:
        """``verdict`` is ``None`` for what was admitted unchecked; ``note`` then says why."""
        self._counters = counters
        self._decision = decision
        self._hold = hold
        self._used = verdict.used if verdict is not None else ()
        self.notes = (note,) if verdict is None else remarks(decision, verdict)
        """What the row should say about it."""

    @property
    def is_unchecked(self) -> bool:
        """Whether it was admitted without being counted."""
        return not self._used

    def settle(self, row: Settled) -> None:
        """Replace what was held by what the attempt used; to be called once."""
        self._counters.settle(self._hold, used_by(row, self._decision, self._hold.amounts))

    def release(self) -> None:
        """Give everything back: nothing was sent."""
        self._counters.settle(self._hold, (0,) * len(self._hold.amounts))

    def remaining(self, row: Settled | None = None) -> Pico | None:
        """What the tightest budget in USD has left, this attempt at its hold or, with its row, at what it used.

        ``None`` when no such budget applies or its standing is not known.
        """
        least: int | None = None
        for position, used in enumerate(self._used):
            gate = self._decision.gates[position]
            if gate.kind != "budget" or gate.measure != "usd":
                continue
            left = gate.limit - used
            if row is not None:
                left += self._hold.amounts[position] - _charge(row)
            least = left if least is None else min(least, left)
        return None if least is None else Pico(max(0, least))


def used_by(row: Settled, decision: Decision, held: tuple[int, ...]) -> tuple[int, ...]:
    """What an attempt used of each gate's account.

    An unknown cost counts as the attempt's bound, since the provider may have charged that much, and unknown tokens as
    what was held.
    """
    amounts = []
    for gate, amount in zip(decision.gates, held, strict=True):
        match gate.measure:
            case "usd":
                amounts.append(_charge(row))
            case "tokens":
                amounts.append(amount if row.cost is None and not row.usage else tokens_of(row.usage))
            case "requests":
                amounts.append(amount)
            case "concurrency":
                amounts.append(0)
    return tuple(amounts)


def hold(
    counters: Reserving,
    decision: Decision,
    *,
    id: str,  # noqa: A002 - the hold's own field
    at_us: int,
    then: Callable[["Holding | NoRoom"], None],
    unseeded: frozenset[str] = frozenset(),
) -> None:
    """Ask for a decision's claims and go on with ``then``: at once where the store answers at once.

    ``then`` gets the holding, or what the lack of room leads to. ``unseeded`` are the stems of accounts that lack what
    was spent before.
    """
    if unseeded:
        blind = blind_gate(decision, unseeded)
        if blind is not None:
            then(NoRoom(unavailable(blind, BLIND)))
            return
    asked = Hold(id, at_us, decision.accounts, decision.amounts)
    try:
        verdict = counters.reserve(asked)
    except CountersUnavailable as problem:
        then(_unchecked(counters, decision, asked, problem))
        return
    if isinstance(verdict, Verdict):
        then(_held(counters, decision, asked, verdict))
        return
    waiting = verdict

    def arrived(_: object) -> None:
        try:
            answer = waiting.result()
        except CountersUnavailable as problem:
            then(_unchecked(counters, decision, asked, problem))
        else:
            then(_held(counters, decision, asked, answer))

    waiting.add_done_callback(arrived)


def blind_gate(decision: Decision, unseeded: frozenset[str]) -> Gate | None:
    """The first closed gate whose account lacks what was spent before."""
    return next((gate for gate in decision.gates if gate.is_closed and stem_of(gate.account.name) in unseeded), None)


def _held(counters: Reserving, decision: Decision, asked: Hold, verdict: Verdict) -> "Holding | NoRoom":
    if verdict.short:
        return NoRoom(
            refusal(decision, verdict, at_us=asked.at_us),
            *_room(decision, verdict),
            tuple(decision.gates[position] for position in verdict.short),
        )
    return Holding(counters, decision, asked, verdict, "")


def _unchecked(
    counters: Reserving, decision: Decision, asked: Hold, problem: CountersUnavailable
) -> "Holding | NoRoom":
    closed: Gate | None = next((one for one in decision.gates if one.is_closed), None)
    if closed is not None:
        return NoRoom(unavailable(closed, str(problem)))
    return Holding(counters, decision, asked, None, f"admitted unchecked: {problem}")


def _room(decision: Decision, verdict: Verdict) -> tuple[int | None, WhenShort]:
    """What is left in the tightest of the budgets without room, and the way out on which they all agree."""
    least: int | None = None
    ways: set[WhenShort] = set()
    for position in verdict.short:
        gate, standing = decision.gates[position], verdict.standings[position]
        if gate.kind != "budget" or gate.measure != "usd":
            return None, "refuse"
        ways.add(gate.when_short)
        left = gate.limit - standing.spent - standing.held
        least = left if least is None else min(least, left)
    if least is None or least <= 0 or len(ways) > 1:
        return None, "refuse"
    return least, ways.pop()


def _charge(row: Settled) -> int:
    """What an attempt counts in budgets: its cost or, where that is unknown, the most it may have cost."""
    return (row.facts.bound or 0) if row.cost is None else row.cost
