"""Rows: a correction takes back exactly what was said before, and says the new truth beside it."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.ledger.row import corrected_rows, interrupted_row, resettled_rows, settled_row
from support.ledger_records import corrected, opened, settled, settlements

AMOUNTS = (
    "weight",
    "cost_pico",
    "list_cost_pico",
    "provider_cost_pico",
    "bound_pico",
    "request_bytes",
    "response_bytes",
)
SAME = ("call_id", "attempt", "at_us", "organisation", "team", "tags", "model", "outcome", "price_status", "stream")


def amounts_of(row):
    """Everything of a row that is summed."""
    return [getattr(row, name) or 0 for name in AMOUNTS], dict(row.usage)


@given(settlements(), st.none() | st.integers(0, 10**12))
def test_reversal_takes_back_everything(settlement, cost):
    """A row and its reversal sum to nothing in whatever group they are, so the restatement alone remains."""
    row = settled_row(settlement)

    reversal, restated = corrected_rows(row, corrected(cost=cost, delta=0))

    summed, usage = amounts_of(row)
    assert amounts_of(reversal) == ([-amount for amount in summed], {meter: -count for meter, count in usage.items()})
    assert [getattr(reversal, name) for name in SAME] == [getattr(row, name) for name in SAME]
    assert (restated.cost_pico, restated.weight, restated.usage) == (cost, 1, row.usage)


def test_correction_keeps_the_period():
    """A correction lands in the attempt's own period; when it became known is said beside."""
    row = settled_row(settled(1))
    correction = corrected(1, cost=5, delta=-995)

    for one in corrected_rows(row, correction):
        assert (one.at_us, one.recorded_us, one.revision) == (row.at_us, correction.recorded_us, 1)


def test_interrupted():
    """An attempt that was never settled has a bound and no cost; a settlement found later restates it."""
    row = interrupted_row(opened(1), recorded_us=7)

    _, restated = resettled_rows(row, settled(1))

    assert (row.outcome, row.price_status, row.usage_status, row.cost_pico) == (
        "interrupted",
        "unpriced",
        "missing",
        None,
    )
    assert (row.bound_pico, row.recorded_us) == (9_000, 7)
    assert (restated.revision, restated.outcome, restated.cost_pico) == (1, "success", 1000)
