"""Money as integer picodollars: parse it, print it, round it once.

One picodollar is 10^-12 USD. Every amount inside Bursar is an ``int`` of them, so sums are exact and prices such as
$0.0375 per million tokens are whole numbers per token. This is the only module that may turn money into or out of
``Decimal`` or text; nothing anywhere turns it into ``float``.
"""

from decimal import Decimal, InvalidOperation
from typing import Final, NewType

Pico = NewType("Pico", int)
"""An amount of money in picodollars (10^-12 USD)."""

PICO_PER_USD: Final = 10**12

_PLACES: Final = 12
_CENT_PLACES: Final = 2
_RATE_PLACES: Final = 24


def parse_usd(text: str) -> Pico:
    """Read a decimal USD amount such as ``"0.0375"`` exactly.

    Raises ValueError when the text is not a finite decimal number or is finer than a picodollar.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal USD amount; write it like '12.50'") from None
    return pico_of(value)


def pico_of(value: Decimal) -> Pico:
    """Convert an exact Decimal of USD; raises ValueError when it is not finite or is finer than a picodollar."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite USD amount")
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * PICO_PER_USD, denominator)
    if rest:
        raise ValueError(f"{value} USD is finer than one picodollar (12 decimal places)")
    return Pico(whole)


def format_usd(pico: int) -> str:
    """Print an amount exactly, without exponent, with at least two decimals: ``1500000000000`` gives ``"1.50"``."""
    sign = "-" if pico < 0 else ""
    whole, fraction = divmod(abs(pico), PICO_PER_USD)
    digits = f"{fraction:0{_PLACES}d}".rstrip("0").ljust(_CENT_PLACES, "0")
    return f"{sign}{whole}.{digits}"


def format_rounded(pico: int, places: int) -> str:
    """Print an amount rounded half-even to ``places`` decimals, with thousands separators: for reading only."""
    scaled = round_half_even(abs(pico), 10 ** (_PLACES - places))
    whole, fraction = divmod(scaled, 10**places)
    sign = "-" if pico < 0 and scaled else ""
    return f"{sign}{whole:,}.{fraction:0{places}d}" if places else f"{sign}{whole:,}"


def round_half_even(numerator: int, denominator: int) -> int:
    """Divide two integers and round half to even: the one rounding rule of the product.

    ``denominator`` must be positive.
    """
    quotient, remainder = divmod(numerator, denominator)
    twice = remainder * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def format_rate(pico: int, per: int) -> str:
    """Print a unit price in USD, ``pico`` picodollars for ``per`` units, as plain decimal text.

    Exact wherever the fraction terminates; a fraction that does not (a price by the hour) is cut off after 24 decimals.
    """
    scaled = round_half_even(pico * 10 ** (_RATE_PLACES - _PLACES), per)
    whole, fraction = divmod(scaled, 10**_RATE_PLACES)
    digits = f"{fraction:0{_RATE_PLACES}d}".rstrip("0").ljust(_CENT_PLACES, "0")
    return f"{whole}.{digits}"
