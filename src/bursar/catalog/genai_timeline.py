"""When a model's packaged prices hold: spans of days and daily windows, each with the price the package gives there."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

from genai_prices import types
from msgspec import Struct
from msgspec.structs import replace

from bursar.price import DailyWindow

_BEFORE: Final = timedelta(days=1)
_ANY_DAY: Final = date(2000, 1, 1)
_US_PER_SECOND: Final = 1_000_000


class Stretch(Struct, frozen=True):
    """Time on which a price cannot change: from one instant to another, and within each day a window."""

    from_us: int | None
    to_us: int | None
    window: DailyWindow | None


Priced = tuple[Stretch, types.ModelPrice]


def timeline(model: types.ModelInfo, context: dict[str, str]) -> Iterator[Priced]:
    """Every stretch on which the model has a price in this context, with that price, in order of time.

    The package's own rule (`get_prices`) is asked once inside each stretch. A context's variants that have not started
    leave a gap.
    """
    variants = [one for one in model.price_variants or () if context and one.when == context]
    dated = model.prices if isinstance(model.prices, list) else []
    constraints = [one.constraint for one in dated] + [one.constraint for one in variants]
    dates = {one.start_date for one in constraints if isinstance(one, types.StartDateConstraint)}
    windows = [one for one in constraints if isinstance(one, types.TimeOfDateConstraint)]
    edges = {_minute(edge) for one in windows for edge in (one.start_time, one.end_time)}

    previous: list[Priced] = []
    for first, end in pairwise([None, *sorted(dates), None]):
        current = []
        for window in _windows(sorted(edges)):
            probe = _probe(first, end, window)
            if not context or any(one.constraint is None or one.constraint.active(probe) for one in variants):
                stretch = Stretch(_midnight_us(first), _midnight_us(end), window)
                current.append((stretch, model.get_prices(probe, context)))
        current = _merged_windows(current)
        if _is_same(previous, current):
            current = [
                (replace(new, from_us=old.from_us), price)
                for (old, _), (new, price) in zip(previous, current, strict=True)
            ]
        else:
            yield from previous
        previous = current
    yield from previous


def _windows(edges: Sequence[int]) -> list[DailyWindow | None]:
    """The stretches of a day between consecutive edges, the last one past midnight."""
    if not edges:
        return [None]
    return [DailyWindow(start, end) for start, end in pairwise([*edges, edges[0]])]


def _merged_windows(day: list[Priced]) -> list[Priced]:
    """One stretch for the whole day where its windows all cost the same."""
    if len(day) > 1 and all(price == day[0][1] for _, price in day):
        return [(replace(day[0][0], window=None), day[0][1])]
    return day


def _is_same(previous: list[Priced], current: list[Priced]) -> bool:
    """Whether two neighbouring spans of days cost the same all day long."""
    return bool(previous) and [(one.window, price) for one, price in previous] == [
        (one.window, price) for one, price in current
    ]


def _probe(first: date | None, end: date | None, window: DailyWindow | None) -> datetime:
    """An instant inside the span of days and the window."""
    day = first or (end - _BEFORE if end else _ANY_DAY)
    minute = window.start_minute if window else 0
    return datetime.combine(day, time(minute // 60, minute % 60), UTC)


def _minute(edge: time) -> int:
    """A daily edge as a minute of the UTC day."""
    utc = edge if edge.tzinfo is None else datetime.combine(_ANY_DAY, edge).astimezone(UTC).timetz()
    if utc.second or utc.microsecond:
        raise ValueError(f"daily price window edge {edge} is not a whole minute; cards hold minutes")
    return utc.hour * 60 + utc.minute


def _midnight_us(day: date | None) -> int | None:
    """Midnight UTC that begins the day, in Unix microseconds."""
    return None if day is None else int(datetime.combine(day, time(), UTC).timestamp()) * _US_PER_SECOND
