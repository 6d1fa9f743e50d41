"""Decides which connection serves which exchange of one origin; pure bookkeeping, generic so that tests need no socket.

Idle connections are reused last in, first out, so that a quiet hour lets the surplus expire. Exchanges that find every
slot taken wait first come, first served. A slot is taken from the decision to open a connection until that connection
is gone for good. While anything waits, nothing is idle and no slot is free.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
W = TypeVar("W", bound=Hashable)


class OriginPool(Generic[C, W]):
    """The slots, idle connections (``C``) and waiting exchanges (``W``) of one origin."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slots = 0
        self._idle: dict[C, None] = {}
        self._waiting: dict[W, None] = {}

    @property
    def open_count(self) -> int:
        """Slots taken: connections open or being opened."""
        return self._slots

    @property
    def idle_count(self) -> int:
        """Connections ready for reuse."""
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """Exchanges in the queue."""
        return len(self._waiting)

    def take_idle(self) -> C | None:
        """The connection used last, no longer idle; ``None`` when there is none."""
        return self._idle.popitem()[0] if self._idle else None

    def take_slot(self) -> bool:
        """Whether a new connection may be opened; if so, its slot is taken."""
        if self._slots >= self._limit:
            return False
        self._slots += 1
        return True

    def enqueue(self, waiter: W) -> None:
        """Put an exchange at the end of the queue."""
        self._waiting[waiter] = None

    def leave(self, waiter: W) -> None:
        """An exchange no longer waits; unknown ones are ignored."""
        self._waiting.pop(waiter, None)

    def give_back(self, connection: C) -> W | None:
        """A connection is free again: the exchange it must serve now, or ``None`` if it became idle."""
        if self._waiting:
            return self._next_waiting()
        self._idle[connection] = None
        return None

    def discard(self, connection: C) -> None:
        """A connection must not be reused; unknown ones are ignored. Its slot stays taken until `free_slot`."""
        self._idle.pop(connection, None)

    def free_slot(self) -> W | None:
        """A connection is gone: the exchange that must now open one, in the slot already taken for it, or ``None``."""
        self._slots -= 1
        if not self._waiting:
            return None
        self._slots += 1
        return self._next_waiting()

    def _next_waiting(self) -> W:
        waiter = next(iter(self._waiting))
        del self._waiting[waiter]
        return waiter
