"""Empties the outbox: each channel for itself, so that one that hangs holds up no other.

Each delivery is claimed before it is sent, for longer than sending can take, and marked when it has arrived. So it is
sent once, but for a process that dies, or a control state that fails, in between: then it is sent again, and its key
tells. What does not arrive is tried again, ever less often, for a day.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from bursar.clock import US_PER_S, Clock
from bursar.control.state import Alerts, Outbox
from bursar.control.values import AlertRecord, Delivery
from bursar.errors import ControlUnavailable
from bursar.notify.channel import Addressee, Channel, NotDelivered, Notice, notice_of
from bursar.notify.finding import Finding
from bursar.notify.post import WITHIN_S

log: Final = logging.getLogger("bursar.alerts")

CLAIM_US: Final = 4 * int(WITHIN_S) * US_PER_S

FIRST_PAUSE_S: Final = 5

LONGEST_PAUSE_S: Final = 15 * 60

GIVEN_UP_US: Final = 24 * 3600 * US_PER_S
"""Age of an alert past which it is not tried again."""

Spawn = Callable[[Coroutine[Any, Any, None], str], object]
"""Starts a named background task."""


class Sender:
    """Delivers alerts. `look` is meant to run every second."""

    def __init__(
        self,
        alerts: Alerts,
        outbox: Outbox,
        clock: Clock,
        *,
        channels: Callable[[], Sequence[Channel]],
        spawn: Spawn,
    ) -> None:
        """``channels`` gives those that are configured."""
        self._alerts: Final = alerts
        self._outbox: Final = outbox
        self._clock: Final = clock
        self._channels: Final = channels
        self._spawn: Final = spawn
        self._busy: set[str] = set()

    async def look(self) -> None:
        """Start on every channel that is not being served."""
        for channel in self._channels():
            if channel.name not in self._busy:
                self._busy.add(channel.name)
                self._spawn(self._serve(channel), f"alerts for {channel.name}")

    async def tell(self, one: Finding) -> None:
        """Tell every channel at once of what cannot be recorded; whoever cannot be told is not."""
        notice = notice_of(one.alert, "raised", key=one.key)
        await asyncio.gather(*(_tell_once(channel, notice) for channel in self._channels() if channel.takes(one.kind)))

    async def _serve(self, channel: Channel) -> None:
        """Deliver what is due, one after the other, until nothing is or one fails."""
        try:
            while await self._deliver_next(channel):
                pass
        except ControlUnavailable as away:
            log.warning("alerts for %s wait: %s", channel.name, away)
        finally:
            self._busy.discard(channel.name)

    async def _deliver_next(self, channel: Channel) -> bool:
        claimed = await asyncio.to_thread(self._claim, channel.name)
        if claimed is None:
            return False
        delivery, record = claimed
        resolved_us = record.resolved_us if delivery.event == "resolved" else None
        key = record.key or f"alert/{record.id}"
        notice = notice_of(record.alert, delivery.event, key=key, number=record.id, resolved_us=resolved_us)
        try:
            await channel.tell(notice)
        except NotDelivered as problem:
            await asyncio.to_thread(self._failed, channel, delivery, record, str(problem))
            return False
        await asyncio.to_thread(self._outbox.delivered, delivery.id, at_us=self._clock.now_us())
        return True

    def _claim(self, channel: str) -> tuple[Delivery, AlertRecord] | None:
        at_us = self._clock.now_us()
        number = self._outbox.due(channel, at_us=at_us)
        if number is None:
            return None
        delivery = self._outbox.claim(number, at_us=at_us, until_us=at_us + CLAIM_US)
        record = None if delivery is None else self._alerts.get(delivery.alert)
        return None if delivery is None or record is None else (delivery, record)

    def _failed(self, channel: Channel, delivery: Delivery, record: AlertRecord, problem: str) -> None:
        at_us = self._clock.now_us()
        began_us = record.alert.at_us if delivery.event == "raised" else record.resolved_us or at_us
        pause_s = pause_after(delivery.attempts)
        is_given_up = at_us + pause_s * US_PER_S - began_us > GIVEN_UP_US
        self._outbox.failed(delivery.id, problem=problem, next_us=None if is_given_up else at_us + pause_s * US_PER_S)
        if is_given_up:
            log.error("webhook %s was never told of alert %d: %s", channel.name, record.id, problem)
        elif delivery.attempts == 1:
            log.warning("webhook %s could not be told of alert %d yet: %s", channel.name, record.id, problem)


async def _tell_once(channel: Channel, notice: Notice) -> None:
    try:
        await channel.tell(notice)
    except NotDelivered as problem:
        log.warning("webhook %s could not be told: %s", channel.name, problem)


def audience_of(addressees: Iterable[Addressee], kind: str) -> tuple[str, ...]:
    """The names of those that are told of a kind."""
    return tuple(one.name for one in addressees if one.takes(kind))


def pause_after(attempts: int) -> int:
    """Seconds before a delivery is tried again, after so many tries."""
    return int(min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 20), LONGEST_PAUSE_S))
