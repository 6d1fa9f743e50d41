"""Money: exact text in, exact text out, one rounding."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.money import PICO_PER_USD, format_rounded, format_usd, parse_usd, pico_of, round_half_even

picos = st.integers(min_value=-(10**30), max_value=10**30)


@given(picos)
def test_format_then_parse(pico):
    """Printing an amount and reading it back gives the same amount, however large."""
    text = format_usd(pico)

    assert pico == parse_usd(text)


@given(picos)
def test_format_is_plain_decimal(pico):
    """The printed form is the exact decimal value, without exponent and with at least two decimals."""
    text = format_usd(pico)

    assert Fraction(Decimal(text)) == Fraction(pico, PICO_PER_USD)
    assert "E" not in text.upper()
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0.00"),
        (1, "0.000000000001"),
        (-1, "-0.000000000001"),
        (1_500_000_000_000, "1.50"),
        (1_615_000_000, "0.001615"),
        (123_456_789_012_345_678, "123456.789012345678"),
    ],
)
def test_format_examples(pico, text):
    """Amounts print as people write them."""
    assert text == format_usd(pico)


@pytest.mark.parametrize("text", ["", "1,5", "abc", "0.0000000000001", "nan", "inf", "1e-13"])
def test_parse_refuses(text):
    """What is not a decimal amount, or is finer than a picodollar, is an error and never rounded."""
    with pytest.raises(ValueError, match=r"USD"):
        parse_usd(text)


def test_pico_of_decimal():
    """A Decimal converts exactly."""
    assert pico_of(Decimal("0.0375")) == 37_500 * 10**6


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12))
def test_round_half_even_agrees_with_python(numerator, denominator):
    """The one rounding rule is Python's round on the exact fraction: half to even."""
    assert round(Fraction(numerator, denominator)) == round_half_even(numerator, denominator)


@given(picos, st.integers(0, 12))
def test_rounded_is_near(pico, places):
    """Rounded text is within half of its last digit, has that many decimals, and no sign on zero."""
    text = format_rounded(pico, places)
    value = Fraction(text.replace(",", ""))

    assert abs(value * PICO_PER_USD - pico) * 2 <= 10 ** (12 - places)
    assert len(text.partition(".")[2]) == places
    assert text.startswith("-") == (value < 0)
