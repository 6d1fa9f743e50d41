"""What the gateway would do with a request, without sending, holding or recording anything.

The request goes through the functions that calls go through, so that this can say nothing else than they do. Only the
hold differs: one claim is added to it that no store can grant, so nothing is ever held, and the store's refusal tells
how the other claims found their accounts.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from bursar.counters.protocol import Reserving, Waiting
from bursar.errors import Refusal
from bursar.gateway.call import MOST_FITS
from bursar.gateway.holding import Holding, NoRoom, hold
from bursar.gateway.pipeline import Admission, Plan, fitted
from bursar.gateway.station import Station, admitted
from bursar.policy.claims import Account, Hold, Standing, Verdict

_NEVER: Final = Account("check/never", limit=0)
"""Has no room, ever."""


class Outlook(Struct, frozen=True):
    """What would become of a request."""

    admission: Admission
    plan: Plan | None = None
    """As it would be sent, or as far as it got; ``None`` when it was refused before it had one."""
    refusal: Refusal | None = None
    """``None`` when it would be sent."""
    standings: tuple[Standing, ...] | None = None
    """How its claims find their accounts, in the order of the plan's gates; ``None`` when that is not known."""
    notes: tuple[str, ...] = ()
    """What the hold adds to the row's decisions."""


class Look:
    """One look. ``then`` is called once, with the outlook: at once where the store answers at once."""

    def __init__(
        self, admission: Admission, station: Station, counters: Reserving, then: Callable[[Outlook], None]
    ) -> None:
        self._admission: Final = admission
        self._station: Final = station
        self._counters: Final = _Watched(counters)
        self._then: Final = then
        self._fits = 0

    def start(self, *, now_us: int) -> None:
        """Go; ``now_us`` is monotonic."""
        incoming = self._admission.incoming
        limit = self._admission.snapshot.config.server.max_body_bytes
        try:
            if len(incoming.body) > limit:
                raise Refusal(  # noqa: TRY301 - refused like every other step of admission
                    "body_too_large", f"The request body has {len(incoming.body)} bytes; the limit is {limit}."
                )
            plan = admitted(self._admission, self._station, now_us=now_us)
        except Refusal as refusal:
            self._then(Outlook(self._admission, refusal=refusal))
            return
        self._reserve(plan)

    def _reserve(self, plan: Plan) -> None:
        if not plan.needs.gates:
            self._then(Outlook(self._admission, plan, standings=()))
            return
        hold(
            self._counters,
            plan.needs,
            id=f"{self._admission.incoming.call_id}/1",
            at_us=self._admission.incoming.at_us,
            then=lambda answer: self._reserved(plan, answer),
            unseeded=self._station.seeded.missing,
        )

    def _reserved(self, plan: Plan, answer: Holding | NoRoom) -> None:
        standings = self._counters.standings
        if isinstance(answer, Holding):
            self._then(Outlook(self._admission, plan, standings=standings, notes=answer.notes))
            return
        if answer.room is not None and self._fits < MOST_FITS:
            self._fits += 1
            smaller = fitted(self._admission, plan, answer.room, answer.way)
            if smaller is not None:
                self._reserve(smaller)
                return
        self._then(Outlook(self._admission, plan, refusal=answer.refusal, standings=standings))


class _Watched:
    """Counters that are asked and never hold."""

    def __init__(self, counters: Reserving) -> None:
        self._counters: Final = counters
        self.standings: tuple[Standing, ...] | None = None
        """As the last reservation found them."""

    def reserve(self, asked: Hold) -> "Verdict | Waiting":
        """Say what a reservation would have said."""
        self.standings = None
        impossible = Hold(asked.id, asked.at_us, (*asked.accounts, _NEVER), (*asked.amounts, 1))
        answer = self._counters.reserve(impossible)
        return self.seen(asked, answer) if isinstance(answer, Verdict) else _Later(self, asked, answer)

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Nothing was held."""

    def seen(self, asked: Hold, verdict: Verdict) -> Verdict:
        """The verdict without the claim that was added."""
        standings = self.standings = verdict.standings[:-1]
        short = tuple(position for position in verdict.short if position < len(asked.accounts))
        if short:
            return Verdict(short=short, standings=standings)
        used = (one.spent + one.held + amount for one, amount in zip(standings, asked.amounts, strict=True))
        return Verdict(used=tuple(used), limits=tuple(one.limit for one in standings))


class _Later:
    """A verdict that is still on its way."""

    def __init__(self, watched: _Watched, asked: Hold, waiting: Waiting) -> None:
        self._watched: Final = watched
        self._asked: Final = asked
        self._waiting: Final = waiting

    def add_done_callback(self, callback: Callable[[object], object], /) -> None:
        """Call back when it is there."""
        self._waiting.add_done_callback(lambda _: callback(self))

    def result(self) -> Verdict:
        """The verdict; raises CountersUnavailable."""
        return self._watched.seen(self._asked, self._waiting.result())
