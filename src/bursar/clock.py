"""Time and identity, passed in as arguments so that everything else can be tested without either."""

import os
import time
from datetime import UTC, datetime
from typing import Final, Protocol

US_PER_S: Final = 1_000_000

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The variant bits 10 over the upper bits of a random hex digit."""


ENTROPY_BYTES: Final = 10

_AT_ONCE: Final = 64
"""How many ids' random bytes are asked of the system together: each question is a system call."""


class Clock(Protocol):
    """A source of wall time, monotonic time and unique ids."""

    def now_us(self) -> int:
        """Wall-clock time in Unix microseconds (UTC)."""
        ...

    def monotonic_us(self) -> int:
        """A clock that never goes back, in microseconds from an arbitrary origin; for durations only."""
        ...

    def new_id(self) -> str:
        """A fresh UUIDv7 in its canonical text form."""
        ...


class SystemClock:
    """The operating system's clocks and random source."""

    __slots__ = ("_tails",)

    def __init__(self) -> None:
        self._tails: list[str] = []
        """The random ends of the next ids; taking one is a single step, so that two threads never take the same."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def new_id(self) -> str:
        try:
            tail = self._tails.pop()
        except IndexError:
            chance = os.urandom(ENTROPY_BYTES * _AT_ONCE)
            tails = [_tail(chance[start : start + ENTROPY_BYTES]) for start in range(0, len(chance), ENTROPY_BYTES)]
            tail = tails.pop()
            self._tails.extend(tails)
        return _dated(time.time_ns() // 1_000_000, tail)


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Format a UUIDv7 (RFC 9562 §5.7) from a Unix time in milliseconds and `ENTROPY_BYTES` random bytes.

    Ids made in later milliseconds sort after earlier ones, which keeps the ledger's index local in time.
    """
    return _dated(unix_ms, _tail(entropy))


def _dated(unix_ms: int, tail: str) -> str:
    time = f"{unix_ms & 0xFFFFFFFFFFFF:012x}"
    return f"{time[:8]}-{time[8:]}{tail}"


def _tail(entropy: bytes) -> str:
    """What follows the time: version, variant and chance."""
    chance = entropy.hex()
    return f"-7{chance[1:4]}-{_VARIANT[chance[4]]}{chance[5:8]}-{chance[8:]}"


def format_us(instant_us: int) -> str:
    """An instant as ISO 8601 text in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant_us / US_PER_S, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
