"""Points in time as people write them: `7d`, `24h`, `2026-11-01`, `2026-11-01T12:00`, `now`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_LENGTH: Final = re.compile(r"^(\d{1,6})([smhdw])$")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_US: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_when(text: str, *, now_us: int) -> int:
    """Unix microseconds of a point in time; a length of time is taken back from now. Dates without a zone are UTC.

    Raises ValueError with the forms that are understood.
    """
    text = text.strip()
    if text == "now":
        return now_us
    ago = _length_us(text)
    if ago is not None:
        return now_us - ago
    try:
        return parse_instant(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a point in time; write a length back from now such as 7d, 24h or 30m, or a date such as "
            "2026-11-01 or 2026-11-01T12:00+01:00"
        ) from None


def parse_ahead(text: str, *, now_us: int) -> int:
    """Unix microseconds of a point in time to come; a length of time is counted from now.

    Raises ValueError with the forms that are understood.
    """
    ahead = _length_us(text.strip())
    if ahead is not None:
        return now_us + ahead
    try:
        return parse_instant(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a point in time; write a length from now such as 90d or 12h, or a date such as "
            "2027-01-01 or 2027-01-01T12:00+01:00"
        ) from None


def parse_instant(text: str) -> int:
    """Unix microseconds of an ISO 8601 date or time, UTC where it names no zone; raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no date; write it like 2026-11-01, 2026-11-01T08:00:00Z or 2026-11-01T12:00+01:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_length(text: str) -> int:
    """A length of time such as `24h` in microseconds; raises ValueError with the forms that are understood."""
    length = _length_us(text.strip())
    if length is None:
        raise ValueError(f"{text!r} is not a length of time; write it like 90s, 30m, 24h, 7d or 2w")
    return length


def _length_us(text: str) -> int | None:
    found = _LENGTH.match(text)
    return int(found.group(1)) * _SECONDS[found.group(2)] * _US if found else None
