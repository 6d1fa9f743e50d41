"""Prices per unit become a rate for every meter."""

from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices.data_units import unit_data
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.rates import UNITS, UnknownUnit, exact_rate, spread
from bursar.price import Rate
from bursar.usage import Meter


def test_units_agree_with_source():
    """Every unit is quoted for as many counts as the package quotes it for; seconds are kept as milliseconds."""
    packaged = {
        data["price_key"]: data["per"] * (1000 if "hours" in data["price_key"] else 1) for data in unit_data.values()
    }

    assert {key: packaged[key] for key in UNITS} == {key: unit.per for key, unit in UNITS.items()}


def test_spread_input_covers_modalities():
    """The input price covers every kind of input token, and none that is cached."""
    rates = spread({"input_mtok": Decimal(3), "input_audio_mtok": Decimal(10)})

    assert rates == {
        Meter.INPUT_TEXT: Rate(3_000_000),
        Meter.INPUT_AUDIO: Rate(10_000_000),
        Meter.INPUT_IMAGE: Rate(3_000_000),
        Meter.INPUT_VIDEO: Rate(3_000_000),
        Meter.TOOL_INPUT: Rate(3_000_000),
        Meter.REQUESTS: Rate(0),
    }


def test_spread_reasoning_is_output():
    """Reasoning costs what output costs unless it has a price of its own."""
    assert spread({"output_mtok": Decimal(8)})[Meter.OUTPUT_REASONING] == Rate(8_000_000)
    assert spread({"output_mtok": Decimal(8), "output_reasoning_mtok": Decimal(3)})[Meter.OUTPUT_REASONING] == Rate(
        3_000_000
    )


def test_spread_cache_write_hour():
    """The price of a short cache write says nothing about the hour's."""
    rates = spread({"cache_write_mtok": Decimal("3.75")})

    assert (Rate(3_750_000), Rate(3_750_000), None) == (
        rates.get(Meter.CACHE_WRITE_5M),
        rates.get(Meter.CACHE_WRITE_30M),
        rates.get(Meter.CACHE_WRITE_1H),
    )


def test_spread_cached_modalities():
    """A cached modality costs its own price, else the general cached price, never the input price."""
    rates = spread({"input_mtok": Decimal(5), "cache_read_mtok": Decimal(1), "cache_image_read_mtok": Decimal(2)})

    assert (Rate(1_000_000), Rate(2_000_000)) == (rates[Meter.CACHE_READ_AUDIO], rates[Meter.CACHE_READ_IMAGE])


def test_spread_audio_hours():
    """An hour of audio is 3,600,000 milliseconds in either direction."""
    rates = spread({"audio_hours": Decimal("0.36")})

    assert rates[Meter.INPUT_AUDIO_MS] == rates[Meter.OUTPUT_AUDIO_MS] == Rate(100_000)


def test_spread_unknown_unit():
    """A price for something no meter counts is refused, not left out."""
    with pytest.raises(UnknownUnit, match="output_citation_mtok"):
        spread({"input_mtok": Decimal(1), "output_citation_mtok": Decimal(2)})


def test_exact_rate_lowest_terms():
    """A rate that is no whole number of picodollars a unit keeps its fraction."""
    assert exact_rate(Decimal("0.111"), 3_600_000) == Rate(92500, 3)


@given(st.decimals(0, 1000, places=9), st.integers(1, 10**7))
def test_exact_rate_loses_nothing(usd, per):
    """A rate times its units is the price that was quoted."""
    rate = exact_rate(usd, per)

    assert Fraction(rate.pico, rate.per) * per == Fraction(usd) * 10**12
