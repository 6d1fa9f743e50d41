"""Amounts of any size in stores whose numbers end at 63 bits, or at the 53 of a floating-point number.

A month of a large company is more than the 9.2 million dollars that fit into 63 bits of picodollars. Such a store keeps
an amount in two numbers, *whole* units of 10^12 (dollars, where picodollars are counted) and the *rest*, adds them
separately, and nothing is rounded.
"""

from typing import Final

UNIT: Final = 10**12


def split(amount: int) -> tuple[int, int]:
    """Whole units, and a rest from 0 to `UNIT` - 1."""
    return divmod(amount, UNIT)


def joined(whole: int, rest: int) -> int:
    """The amount; ``rest`` may be any number, below zero or above a unit, as separate sums leave it."""
    return whole * UNIT + rest
