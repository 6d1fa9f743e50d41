"""The geometry of charts. The server draws them as SVG in percentages, so they need no script and fit any width."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.console.figures import basis_points, dollars, duration, exact, known_cost, percent, tick
from bursar.ledger.questions import Measures, ReportRow

DAYS: Final = 7

_FULL: Final = 10_000
_BAR_SHARE: Final = 62
"""Percent of a day's room that its bar takes."""

_LEAST_SEGMENT: Final = 60
"""Basis points: a part of a call that took no time to speak of is still seen."""


class DayBar(Struct, frozen=True):
    """One day's spend."""

    day: str
    """2026-11-22."""
    label: str
    """Sun 22."""
    cost: int | None
    requests: int
    unpriced: int
    x: str
    width: str
    middle: str
    top: str
    height: str
    is_today: bool


class DayChart(Struct, frozen=True):
    """Daily spend."""

    bars: tuple[DayBar, ...]
    ticks: tuple[tuple[str, str], ...]
    """(height from the top, label), highest first."""


class Segment(Struct, frozen=True):
    """One stretch of an attempt's time."""

    kind: str
    """``before``, ``waiting``, ``receiving`` or ``settling``; styles go by it."""
    label: str
    length: str
    """For reading."""
    x: str
    width: str


def day_chart(rows: Sequence[ReportRow], *, now_us: int) -> DayChart:
    """The last seven UTC days, today last; days without rows cost nothing."""
    sums = {str(row.group[0]): row.measures for row in rows}
    today = datetime.fromtimestamp(now_us // US_PER_S, tz=UTC)
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    scale = _round_up(max((measures.cost or 0 for measures in sums.values()), default=0))
    bars = tuple(_bar(position, day, sums, scale=scale) for position, day in enumerate(days))
    ticks = ((percent(0), tick(scale)), (percent(_FULL // 2), tick(scale // 2))) if scale else ()
    return DayChart(bars, ticks)


def timeline(points_ms: Mapping[str, float | None]) -> tuple[Segment, ...]:
    """An attempt's time from the call's admission on; stretches whose end was never reached are left out.

    ``points_ms`` holds ``sent_ms``, ``first_byte_ms``, ``last_byte_ms`` and ``total_ms``, each from admission.
    """
    start = 0.0
    stretches: list[tuple[str, str, float]] = []
    for field, kind, label in _STRETCHES:
        end = points_ms[field]
        if end is not None:
            stretches.append((kind, label, max(0.0, end - start)))
            start = max(start, end)
    if start <= 0:
        return ()
    widths = [max(_LEAST_SEGMENT, round(length / start * _FULL)) for _, _, length in stretches]
    whole = sum(widths)
    segments = []
    x = 0
    for (kind, label, length), width in zip(stretches, widths, strict=True):
        fitted = width * _FULL // whole
        segments.append(Segment(kind, label, duration(length), percent(x), percent(fitted)))
        x += fitted
    return tuple(segments)


_STRETCHES: Final = (
    ("sent_ms", "before", "until sent"),
    ("first_byte_ms", "waiting", "waiting for the first byte"),
    ("last_byte_ms", "receiving", "receiving"),
    ("total_ms", "settling", "settling"),
)


def _bar(position: int, day: datetime, sums: Mapping[str, Measures], *, scale: int) -> DayBar:
    name = day.strftime("%Y-%m-%d")
    measures = sums.get(name, Measures())
    height = basis_points(measures.cost or 0, scale)
    room = _FULL // DAYS
    width = room * _BAR_SHARE // 100
    x = position * room + (room - width) // 2
    return DayBar(
        day=name,
        label=f"{day:%a} {day.day}",
        cost=known_cost(measures),
        requests=measures.requests,
        unpriced=measures.unpriced_requests,
        x=percent(x),
        width=percent(width),
        middle=percent(x + width // 2),
        top=percent(_FULL - height),
        height=percent(height),
        is_today=position == DAYS - 1,
    )


def _round_up(pico: int) -> int:
    """The next 1, 2 or 5 times a power of ten, so that an axis ends in a round figure; 0 for nothing."""
    if pico <= 0:
        return 0
    power: int = 10 ** (len(str(pico)) - 1)
    return next(power * step for step in (1, 2, 5, 10) if power * step >= pico)


def bar_title(bar: DayBar) -> str:
    """A day in words."""
    unpriced = f", {bar.unpriced} attempts unpriced" if bar.unpriced else ""
    return f"{bar.label}: {dollars(bar.cost)} ({exact(bar.cost)}), {bar.requests} requests{unpriced}"
