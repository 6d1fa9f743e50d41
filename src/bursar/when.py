"""Points in time as people write them: `7d`, `24h`, `2026-11-01`, `2026-11-01T12:00`, `now`."""

import re
from datetime import UTC, datetime
from typing import Final

_AGO: Final = re.compile(r"^(\d{1,6})([smhdw])$")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_US: Final = 1_000_000


def parse_when(text: str, *, now_us: int) -> int:
    """Unix microseconds of a point in time; a length of time is taken back from now. Dates without a zone are UTC.

    Raises ValueError with the forms that are understood.
    """
    text = text.strip()
    if text == "now":
        return now_us
    ago = _AGO.match(text)
    if ago:
        return now_us - int(ago.group(1)) * _SECONDS[ago.group(2)] * _US
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a point in time; write a length back from now such as 7d, 24h or 30m, or a date such as "
            "2026-11-01 or 2026-11-01T12:00+01:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * _US + moment.microsecond
