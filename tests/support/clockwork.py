"""An event loop's clock and timers, turned by hand, and a transport that keeps what it is given."""

from collections.abc import Callable
from typing import Any


class Timer:
    """A call that the loop is to make."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self) -> None:
        """Do not make the call."""
        self.is_cancelled = True


class ClockworkLoop:
    """The part of an event loop that deadlines need; time passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.set_count = 0
        self._timers: list[Timer] = []

    def time(self) -> float:
        """The hand-turned clock."""
        return self.now

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        """Set a timer."""
        self.set_count += 1
        timer = Timer(at, callback)
        self._timers.append(timer)
        return timer

    def call_soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        """At once is soon enough here."""
        callback(*arguments)

    def advance(self, seconds: float) -> None:
        """Let time pass, and every timer fire that is due."""
        until = self.now + seconds
        while due := [timer for timer in self._timers if not timer.is_cancelled and timer.at <= until]:
            timer = min(due, key=lambda one: one.at)
            self._timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.callback()
        self.now = until


class KeptTransport:
    """A transport that sends nothing and remembers everything."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_reading = True
        self.is_aborted = False
        self.capacity: int | None = None
        self.on_full: Callable[[], None] = lambda: None

    def write(self, data: bytes | memoryview) -> None:
        """Take data; past the capacity, say that the buffer is full."""
        self.written.append(bytes(data))
        if self.capacity is not None and len(data) >= self.capacity:
            self.on_full()

    def get_write_buffer_size(self) -> int:
        """Nothing is ever left over."""
        return 0

    def pause_reading(self) -> None:
        """Note it."""
        self.is_reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.is_reading = True

    def is_closing(self) -> bool:
        """Whether it was aborted."""
        return self.is_aborted

    def abort(self) -> None:
        """Note it."""
        self.is_aborted = True
