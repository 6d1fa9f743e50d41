"""Figures for reading: near the exact value, and never zero for something or nothing for unknown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.console.figures import (
    basis_points,
    dollars,
    duration,
    exact,
    known_cost,
    percent,
    share,
    shortened,
    tick,
    unit_price,
)
from bursar.ledger.questions import Measures
from bursar.money import PICO_PER_USD, Pico, parse_usd
from bursar.price import CostLine, Rate
from bursar.usage import Meter

amounts = st.integers(-(10**24), 10**24)


def read(text):
    """The amount that a text shows."""
    return Decimal(text.replace("$", "").replace(",", ""))


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0.00"),
        ("1234567.891", "$1,234,567.89"),
        ("1.005", "$1.00"),
        ("1.015", "$1.02"),
        ("0.42", "$0.4200"),
        ("0.0123456", "$0.0123"),
        ("0.000123456", "$0.000123"),
        ("0.000000000001", "$0.000000000001"),
        ("-3.5", "-$3.50"),
    ],
)
def test_dollars(usd, shown):
    """To the cent; below a dollar to four decimals and at least three digits that count."""
    pico = parse_usd(usd)

    assert dollars(pico) == shown
    assert parse_usd(exact(pico).replace("$", "")) == pico


def test_unknown_is_a_word():
    """An unknown amount is said, not counted."""
    assert (dollars(None), exact(None)) == ("unpriced", "the cost is not known")


@given(amounts)
def test_dollars_are_near(pico):
    """What is shown is within half a cent, or half a percent, of what is."""
    shown = read(dollars(pico)) * PICO_PER_USD

    assert abs(shown - pico) <= max(PICO_PER_USD // 200 if abs(pico) >= PICO_PER_USD else 0, abs(pico) // 200)
    assert (shown == 0) == (pico == 0)


@given(st.integers(0, 10**18))
def test_shares(part):
    """A share of something is never shown as nothing, and a bar never leaves its track."""
    whole = 10**18

    assert 0 <= basis_points(part, whole) <= 10_000
    assert (share(part, whole) == "0.0%") == (part == 0)


def test_share_of_nothing():
    """Where there is no whole there is no share."""
    assert (share(0, 0), percent(basis_points(5, 0))) == ("0.0%", "0.00%")


@pytest.mark.parametrize(
    ("measures", "known"),
    [
        (Measures(cost=5, unpriced_requests=1), 5),
        (Measures(cost=0), 0),
        (Measures(cost=0, unpriced_requests=1), None),
        (Measures(cost=None, unpriced_requests=1), None),
    ],
)
def test_known_cost(measures, known):
    """Zeros beside unpriced attempts are no known cost; an explicit zero alone is."""
    assert known_cost(measures) == known


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0K"),
        (1_290_000, "1.2M"),
        (5 * 10**12, "5.0T"),
        (10**18, "1,000,000.0T"),
    ],
)
def test_shortened(number, shown):
    """Large counts are cut, not rounded up."""
    assert shortened(number) == shown


@pytest.mark.parametrize(
    ("ms", "shown"), [(None, "–"), (0.0, "0.0 ms"), (9.94, "9.9 ms"), (250.4, "250 ms"), (1234.0, "1.23 s")]
)
def test_duration(ms, shown):
    """Milliseconds below a second, seconds above, a dash for a point that was never reached."""
    assert duration(ms) == shown


@pytest.mark.parametrize(
    ("meter", "rate", "shown"),
    [
        (Meter.INPUT_TEXT, Rate(37_500), "$0.0375 / 1M tokens"),
        (Meter.INPUT_TEXT, Rate(1, 3), "$0.000000333333333333333333 / 1M tokens"),
        (Meter.IMAGES, Rate(40_000_000_000), "$0.04 / image"),
    ],
)
def test_unit_price(meter, rate, shown):
    """Tokens are priced by the million as price lists do, the rest by the piece."""
    assert unit_price(CostLine(int(meter), 1, rate, Pico(0))) == shown


@pytest.mark.parametrize(("usd", "shown"), [("2500", "$2,500"), ("25", "$25.00"), ("0.005", "$0.005")])
def test_tick(usd, shown):
    """An axis is labelled in as few digits as it takes."""
    assert tick(parse_usd(usd)) == shown
