"""Stores that are away: the counters, the control state. Raised when the trouble lasts, resolved when it is over.

One worker does this for all. An alert about the control state cannot be kept there while it is away, so it is sent
straight to the channels, once and without retries, and recorded when the state is back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bursar.clock import US_PER_S, Clock, format_us
from bursar.control.state import Alerts
from bursar.errors import ControlUnavailable
from bursar.notify.finding import Finding, finding
from bursar.notify.watch import Audience

PATIENCE_US: Final = 10 * US_PER_S
"""Trouble that is over before is no alert: a restart of the store takes as long."""

KIND: Final = "store_down"

Probe = Callable[[], str | None]
"""Why a store cannot be used at present; ``None`` when it can."""


class Trouble:
    """One store that is away."""

    def __init__(self, since_us: int, alert: int | None = None) -> None:
        self.since_us: Final = since_us
        self.why = ""
        self.alert = alert
        """The id of its alert, once that is raised."""
        self.is_told = False
        """Whether the channels were told without the control state."""


class Stores:
    """Watches stores. `look` is meant to run every second."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        alerts: Alerts,
        clock: Clock,
        *,
        audience: Audience,
        tell: Callable[[Finding], Awaitable[None]],
    ) -> None:
        """``tell`` sends an alert that cannot be recorded; it never raises."""
        self._probes: Final = probes
        self._alerts: Final = alerts
        self._clock: Final = clock
        self._audience: Final = audience
        self._tell: Final = tell
        self._troubles: dict[str, Trouble] | None = None

    async def look(self) -> None:
        """Raise trouble that lasts, resolve what is over."""
        if self._troubles is None:
            try:
                self._troubles = await asyncio.to_thread(self._open_before)
            except ControlUnavailable:
                self._troubles = {}
        at_us = self._clock.now_us()
        for name, probe in self._probes.items():
            why = probe()
            if why is not None:
                await self._worsened(name, self._troubles.setdefault(name, Trouble(at_us)), why, at_us)
            elif name in self._troubles and await self._is_over(name, self._troubles[name], at_us):
                del self._troubles[name]

    def _open_before(self) -> dict[str, Trouble]:
        """What a worker before this one has raised and not resolved."""
        return {
            one.alert.subject: Trouble(one.alert.at_us, one.id)
            for one in self._alerts.unresolved(kind=KIND, limit=len(self._probes) + 10)
        }

    async def _worsened(self, name: str, trouble: Trouble, why: str, at_us: int) -> None:
        trouble.why = why
        if trouble.alert is not None or at_us - trouble.since_us < PATIENCE_US:
            return
        try:
            await self._record(name, trouble)
        except ControlUnavailable:
            if not trouble.is_told:
                trouble.is_told = True
                await self._tell(_finding(name, trouble))

    async def _is_over(self, name: str, trouble: Trouble, at_us: int) -> bool:
        """Resolve its alert, if it has one or should have had; False when that has to be tried again."""
        try:
            if trouble.is_told and trouble.alert is None:
                await self._record(name, trouble)
            if trouble.alert is not None:
                await asyncio.to_thread(self._alerts.resolve, trouble.alert, at_us=at_us)
        except ControlUnavailable:
            return False
        return True

    async def _record(self, name: str, trouble: Trouble) -> None:
        one = _finding(name, trouble)
        record = await asyncio.to_thread(self._alerts.raise_once, one.key, one.alert, to=self._audience(one.kind))
        trouble.alert = None if record is None else record.id


def _finding(name: str, trouble: Trouble) -> Finding:
    return finding(
        KIND,
        f"{name}/{trouble.since_us}",
        severity="critical",
        subject=name,
        message=f"The {name} cannot be reached since {format_us(trouble.since_us)}: {trouble.why}",
        at_us=trouble.since_us,
        data={"store": name, "reason": trouble.why},
    )
