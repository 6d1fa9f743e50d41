"""Timeouts without a timer each: items carry a deadline, and one timer per client looks for those that have passed.

Moving a deadline is one attribute write, so that a chunk of a stream costs no timer. The timer is set for the nearest
deadline seen at the last look, or sooner when `Deadlines.hasten` says so; later deadlines need no word at all.
"""

import asyncio
from math import inf
from typing import Final, Protocol

_RESOLUTION_S: Final = 0.025
"""Shortest time between two looks: many deadlines close together are found by one."""


class Timed(Protocol):
    """Something that may run out of time."""

    deadline: float
    """On the loop's clock, in seconds; infinite when nothing is waited for."""

    def on_deadline(self) -> None:
        """The deadline had passed when last looked at; check again, since it may have moved meanwhile."""
        ...


class Deadlines:
    """The deadlines of one client."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._look_at = inf

    def watch(self, item: Timed) -> None:
        """Start looking at an item's deadline."""
        self._items.add(item)
        self.hasten(item.deadline)

    def forget(self, item: Timed) -> None:
        """Stop looking at an item; unknown ones are ignored."""
        self._items.discard(item)

    def hasten(self, deadline: float) -> None:
        """A watched item's deadline has moved here, which may be sooner than the next look."""
        if deadline < self._look_at:
            self._set_timer(deadline)

    def close(self) -> None:
        """Forget all items and stop the timer."""
        self._items.clear()
        self._stop_timer()

    def _set_timer(self, deadline: float) -> None:
        self._stop_timer()
        self._look_at = max(deadline, self._loop.time() + _RESOLUTION_S)
        self._timer = self._loop.call_at(self._look_at, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._look_at = inf

    def _look(self) -> None:
        self._stop_timer()
        now = self._loop.time()
        nearest = inf
        for item in self._items:
            if item.deadline > now:
                nearest = min(nearest, item.deadline)
            else:
                self._loop.call_soon(item.on_deadline)
        if nearest < inf:
            self._set_timer(nearest)
