"""Usage: disjoint meters that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.usage import INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter, Usage, meter_named, usage_of

quantities = st.dictionaries(st.sampled_from(list(Meter)), st.integers(0, 10**12))
usages = quantities.map(usage_of)


@given(usages, usages, usages)
def test_addition_laws(a, b, c):
    """Usage adds commutatively and associatively, with the empty usage as zero."""
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a


@given(quantities)
def test_usage_has_no_zeros(given_quantities):
    """A usage keeps exactly the non-zero quantities, in meter order."""
    usage = usage_of(given_quantities)

    assert sorted((int(meter), n) for meter, n in given_quantities.items() if n) == list(usage.counts)


@given(quantities)
def test_token_totals(given_quantities):
    """Input and output tokens are the sums of their disjoint meters."""
    usage = usage_of(given_quantities)

    assert sum(n for meter, n in given_quantities.items() if meter in INPUT_TOKEN_METERS) == usage.input_tokens
    assert sum(n for meter, n in given_quantities.items() if meter in OUTPUT_TOKEN_METERS) == usage.output_tokens


def test_negative_quantity():
    """A contradiction of the provider is an error, not a credit."""
    with pytest.raises(ValueError, match="cache_read cannot be negative, got -1"):
        usage_of({Meter.CACHE_READ: -1})


@pytest.mark.parametrize("meter", list(Meter))
def test_meter_names(meter):
    """Every meter is found by its public name and has a unit."""
    assert meter == meter_named(meter.label)
    assert meter.unit


def test_meter_values_are_stored():
    """Meter numbers are on disk: this list only grows at its end."""
    assert list(range(len(Meter))) == [int(meter) for meter in Meter]
    assert (Meter.INPUT_TEXT, Meter.OUTPUT_TEXT, Meter.GPU_MS) == (0, 12, 31)
