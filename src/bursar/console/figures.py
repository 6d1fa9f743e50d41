"""Figures for reading: money rounded to what the eye needs, large counts shortened, shares in whole basis points.

Whatever is rounded here is shown beside its exact value. Unknown is a word, never a zero.
"""

from typing import Final

from bursar.ledger.questions import Measures
from bursar.money import PICO_PER_USD, format_rate, format_rounded, format_usd
from bursar.price import CostLine
from bursar.usage import Meter

UNPRICED: Final = "unpriced"

_CENTS: Final = 2
_BELOW_A_DOLLAR: Final = 4
_SIGNIFICANT: Final = 3
_MOST_PLACES: Final = 12
_WHOLE_FROM: Final = 1_000 * PICO_PER_USD

_MILLION: Final = 1_000_000
_BASIS_POINTS: Final = 10_000
_STEPS: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_SHORTENED_FROM: Final = 10_000

_MS_PER_S: Final = 1000


def dollars(pico: int | None) -> str:
    """An amount to the cent; below a dollar to four decimals and three significant digits; ``unpriced`` if unknown."""
    if pico is None:
        return UNPRICED
    return _signed(pico, _places(abs(pico)))


def known_cost(measures: Measures) -> int | None:
    """What a group is known to cost; ``None`` as well where the only known costs are zeros beside unpriced attempts."""
    return None if measures.unpriced_requests and not measures.cost else measures.cost


def tick(pico: int) -> str:
    """A round amount on an axis, in as few digits as it takes."""
    return f"${format_rounded(pico, 0)}" if pico >= _WHOLE_FROM else f"${format_usd(pico)}"


def exact(pico: int | None) -> str:
    """An amount to the last picodollar."""
    if pico is None:
        return "the cost is not known"
    return f"-${format_usd(-pico)}" if pico < 0 else f"${format_usd(pico)}"


def unit_price(line: CostLine) -> str:
    """What a line's units cost, the way price lists say it: tokens by the million, anything else by the piece."""
    meter = Meter(line.meter)
    if meter.unit in {"token", "character"}:
        return f"${format_rate(line.rate.pico * _MILLION, line.rate.per)} / 1M {meter.unit}s"
    return f"${format_rate(line.rate.pico, line.rate.per)} / {meter.unit}"


def count(number: int) -> str:
    """A whole number with thousands separators."""
    return f"{number:,}"


def shortened(number: int) -> str:
    """A large count in thousands, millions, … with one decimal, rounded down."""
    if abs(number) < _SHORTENED_FROM:
        return count(number)
    for step, letter in _STEPS:
        if abs(number) >= step:
            tenths = number * 10 // step
            return f"{tenths // 10:,}.{tenths % 10}{letter}"
    raise AssertionError("unreachable")


def basis_points(part: int, whole: int) -> int:
    """How much of ``whole`` a part is, in hundredths of a percent, rounded down; 0 when there is no whole."""
    return max(0, part) * _BASIS_POINTS // whole if whole > 0 else 0


def percent(points: int) -> str:
    """Basis points as an exact percentage: a length in a chart."""
    return f"{points // 100}.{points % 100:02d}%"


def share(part: int, whole: int) -> str:
    """A share for reading; something never reads as nothing."""
    points = basis_points(part, whole)
    if part > 0 and points < 10:  # noqa: PLR2004 - a tenth of a percent
        return "<0.1%"
    return f"{points // 100}.{points % 100 // 10}%"


def duration(milliseconds: float | None) -> str:
    """A length of time; a dash when that point was never reached."""
    if milliseconds is None:
        return "–"
    if milliseconds < 10:  # noqa: PLR2004 - below that a tenth matters
        return f"{milliseconds:.1f} ms"
    if milliseconds < _MS_PER_S:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / _MS_PER_S:.2f} s"


def _places(pico: int) -> int:
    if pico == 0 or pico >= PICO_PER_USD:
        return _CENTS
    leading = _MOST_PLACES - len(str(pico))
    return min(_MOST_PLACES, max(_BELOW_A_DOLLAR, leading + _SIGNIFICANT))


def _signed(pico: int, places: int) -> str:
    text = format_rounded(pico, places)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"
