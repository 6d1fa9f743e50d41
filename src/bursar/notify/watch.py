"""One worker's look at what its calls have noted; every worker has one.

Accounts are shared by all workers, and so are the keys under which alerts are raised: whichever worker looks first
raises what they all see. While the control state is away, findings wait and are raised when it is back.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from bursar.clock import Clock
from bursar.config import AlertKind
from bursar.control.state import Alerts
from bursar.counters.protocol import Counters
from bursar.errors import ControlUnavailable, CountersUnavailable
from bursar.notify.budgets import budget_findings, refusing, state_of
from bursar.notify.finding import Finding
from bursar.notify.noted import Noted, Refused
from bursar.notify.runs import stopped, warning
from bursar.policy.gates import Gate
from bursar.policy.rules import Rules

log: Final = logging.getLogger("bursar.alerts")

AT_ONCE: Final = 1_000
"""Accounts looked at in one turn: about a millisecond of the event loop. The others wait for the next."""

REMEMBERED: Final = 65_536
"""Keys that are known to have been raised; forgetting them costs the control state a look-up each."""

Audience = Callable[[AlertKind], tuple[str, ...]]
"""Which channels are told of a kind of alert."""


class Watch:
    """Turns what was noted into alerts. `look` is meant to run every second."""

    def __init__(
        self,
        noted: Noted,
        counters: Counters,
        alerts: Alerts,
        clock: Clock,
        *,
        rules: Callable[[], Rules],
        audience: Audience,
    ) -> None:
        """``rules`` gives those in force."""
        self._noted: Final = noted
        self._counters: Final = counters
        self._alerts: Final = alerts
        self._clock: Final = clock
        self._rules: Final = rules
        self._audience: Final = audience
        self._touched: dict[tuple[str, int], Gate] = {}
        self._refused: list[Refused] = []
        self._unraised: dict[str, Finding] = {}
        self._raised: set[str] = set()

    async def look(self) -> None:
        """Raise what is new."""
        for gate in self._noted.take_settled():
            if gate.kind == "budget" or gate.stages:
                self._touched[gate.account.name, gate.account.window] = gate
        self._refused += self._noted.take_refused()
        try:
            for one in self._findings():
                if one.key not in self._raised:
                    self._unraised[one.key] = one
        except CountersUnavailable:
            pass  # What was touched is looked at when they are back; `stores` says that they are away.
        if self._unraised:
            await self._raise()

    def _findings(self) -> Iterator[Finding]:
        """What follows from a part of what was touched, and from all refusals; forgets both when it is through."""
        refused, keys = self._refused, list(self._touched)[:AT_ONCE]
        short = {gate.account.name: gate for one in refused for gate in one.gates}
        yield from _found(stopped(one) for one in refused)
        yield from self._about([gate for gate in short.values() if gate.kind == "budget"], are_short=True)
        # A run that has just been stopped need not be warned of.
        touched = [self._touched[key] for key in keys]
        yield from self._about([one for one in touched if one.kind == "budget" or one.account.name not in short])
        self._refused = []
        for key in keys:
            del self._touched[key]

    def _about(self, gates: Sequence[Gate], *, are_short: bool = False) -> Iterator[Finding]:
        at_us, rules = self._clock.now_us(), self._rules().by_name
        if self._counters.trouble is not None:
            # Asking would hold up the event loop until the store's time-out, every second.
            raise CountersUnavailable(self._counters.trouble)
        balances = self._counters.balances([gate.account for gate in gates], at_us=at_us) if gates else ()
        for gate, balance in zip(gates, balances, strict=True):
            if gate.kind == "run":
                yield from _found((warning(gate, balance, at_us=at_us),))
            elif gate.name in rules:
                state = state_of(gate, rules[gate.name], balance, at_us=at_us)
                yield from (refusing(state),) if are_short else budget_findings(state)

    async def _raise(self) -> None:
        waiting = list(self._unraised.values())
        try:
            raised = await asyncio.to_thread(self._raise_each, waiting)
        except ControlUnavailable as away:
            log.warning("%d alerts wait for the control state: %s", len(waiting), away)
            return
        for one in raised:
            log.warning("alert: %s", one.alert.message)
        if len(self._raised) >= REMEMBERED:
            self._raised.clear()
        for one in waiting:
            self._raised.add(one.key)
            del self._unraised[one.key]

    def _raise_each(self, findings: Iterable[Finding]) -> list[Finding]:
        """Raise what was never raised before; returns that."""
        return [
            one
            for one in findings
            if self._alerts.raise_once(one.key, one.alert, to=self._audience(one.kind)) is not None
        ]


def _found(findings: Iterable[Finding | None]) -> Iterator[Finding]:
    return (one for one in findings if one is not None)
