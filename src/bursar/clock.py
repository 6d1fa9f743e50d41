"""Time and identity, passed in as arguments so that everything else can be tested without either."""

import os
import time
from datetime import UTC, datetime
from typing import Final, Protocol

US_PER_S: Final = 1_000_000

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The variant bits 10 over the upper bits of a random hex digit."""


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

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def new_id(self) -> str:
        return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Format a UUIDv7 (RFC 9562 §5.7) from a Unix time in milliseconds and ten random bytes.

    Ids made in later milliseconds sort after earlier ones, which keeps the ledger's index local in time.
    """
    time, chance = f"{unix_ms & 0xFFFFFFFFFFFF:012x}", entropy.hex()
    variant = _VARIANT[chance[4]]
    return f"{time[:8]}-{time[8:]}-7{chance[1:4]}-{variant}{chance[5:8]}-{chance[8:]}"


def format_us(instant_us: int) -> str:
    """An instant as ISO 8601 text in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant_us / US_PER_S, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
