"""Charging what was served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bursar.catalog.charge import Billing, busy_ms, charge_for
from bursar.events import Part, PriceStatus, Timings
from bursar.usage import Meter, usage_of
from support.cards import make_card, make_catalog

USED = usage_of({Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 10})
FREE = {"input_mtok": "0", "output_mtok": "0"}
BILLING = Billing(
    price_list="acme", credential=None, requested="small", parts=(Part("", USED),), conditions=(), at_us=50, busy_ms=7
)


def parts_of(*models: str) -> Billing:
    """A billing to which each of these models contributed the same usage."""
    return replace(BILLING, parts=tuple(Part(model, USED) for model in models))


def test_one_model():
    """One model's usage is charged on its card, line by line."""
    charge = charge_for(BILLING, make_catalog(make_card()))

    assert (PriceStatus.PRICED, 1_040_000_000, USED) == (charge.status, charge.cost, charge.usage)
    assert [1_000_000_000, 40_000_000] == [line.pico for line in charge.lines]


def test_no_card():
    """Without a card the usage stays, the cost is unknown and a note says why."""
    charge = charge_for(replace(BILLING, requested="huge"), make_catalog(make_card()))

    assert (PriceStatus.UNPRICED, None, USED) == (charge.status, charge.cost, charge.usage)
    assert "acme does not list a model named huge" in charge.notes[0]


@pytest.mark.parametrize(
    ("models", "status", "cost"),
    [
        (("small", "free"), PriceStatus.PRICED, 1_040_000_000),
        (("small", "small"), PriceStatus.PRICED, 2_080_000_000),
        (("free", "free"), PriceStatus.FREE, 0),
        (("small", "huge"), PriceStatus.UNPRICED, None),
    ],
)
def test_several_models(models, status, cost):
    """Parts are charged one by one: unknown when one of them is, free only when all are."""
    charge = charge_for(parts_of(*models), make_catalog(make_card(), make_card("free", usd=FREE)))

    assert (status, cost, USED + USED) == (charge.status, charge.cost, charge.usage)


@given(st.lists(st.sampled_from(["small", "large", "free"]), min_size=1, max_size=5))
def test_parts_add_up(models):
    """The whole costs what its parts cost, and its lines sum to it."""
    catalog = make_catalog(make_card(), make_card("large", usd={"input_mtok": "3"}), make_card("free", usd=FREE))
    known = [model for model in models if model != "large"] or ["small"]
    charge = charge_for(parts_of(*known), catalog)

    assert sum(charge_for(parts_of(model), catalog).cost for model in known) == charge.cost
    assert sum(line.pico for line in charge.lines) == charge.cost


def test_busy_time():
    """Work lasts from the request's last byte to the answer's last, or to the end; unsent is no work."""
    cases = [
        (Timings(1_000, 2_000, 9_500, 20_000), 8),
        (Timings(1_000, None, None, 5_000), 4),
        (Timings(None, None, None, 5_000), 0),
        (Timings(), 0),
    ]

    assert [expected for _, expected in cases] == [busy_ms(timings) for timings, _ in cases]
