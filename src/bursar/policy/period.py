"""Calendar windows of budgets: which minute, hour, day, week or month an instant lies in, in any time zone.

Windows of a day and longer begin at local midnight, so the day a clock is put forward has 23 hours (RFC 5545 §3.3.10
counts the same way). Where midnight itself is skipped, a day begins at the first instant after.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.config import PeriodName

_FIXED_US: Final = {"minute": 60 * US_PER_S, "hour": 3600 * US_PER_S}


class Window(Struct, frozen=True):
    """A stretch of time, end excluded."""

    start_us: int
    """0 for a window without a beginning."""
    end_us: int | None
    """``None`` for one without an end."""

    def holds(self, at_us: int) -> bool:
        """Whether an instant lies in it."""
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


ALWAYS: Final = Window(0, None)
"""The window of rolling and total accounts."""


class Period:
    """One way of cutting time into windows. Remembers the latest window, since requests come in order of time."""

    __slots__ = ("_latest", "_zone", "name")

    def __init__(self, name: PeriodName, time_zone: str = "UTC") -> None:
        """Raises ValueError for a time zone that does not exist."""
        self.name = name
        try:
            self._zone = ZoneInfo(time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone '{time_zone}'; write it like 'Europe/Berlin'") from None
        self._latest = ALWAYS if name in ("rolling", "total") else Window(1, 0)

    def window(self, at_us: int) -> Window:
        """The window an instant (Unix microseconds) lies in."""
        latest = self._latest
        if not latest.holds(at_us):
            latest = self._latest = self._window(at_us)
        return latest

    def _window(self, at_us: int) -> Window:
        length_us = _FIXED_US.get(self.name)
        if length_us is not None:
            start_us = at_us - at_us % length_us
            return Window(start_us, start_us + length_us)
        local = datetime.fromtimestamp(at_us // US_PER_S, tz=self._zone)
        day = local.replace(hour=0, minute=0, second=0, tzinfo=None, fold=0)
        match self.name:
            case "day":
                first, after = day, day + timedelta(days=1)
            case "week":
                first = day - timedelta(days=day.weekday())
                after = first + timedelta(days=7)
            case _:
                first = day.replace(day=1)
                after = (first + timedelta(days=32)).replace(day=1)
        return Window(self._instant(first), self._instant(after))

    def _instant(self, midnight: datetime) -> int:
        """The instant of a local midnight; where clocks skip it or show it twice, the earlier reading (PEP 495)."""
        return int(midnight.replace(tzinfo=self._zone).astimezone(UTC).timestamp()) * US_PER_S
