"""`bursar prices reprice`: past calls on the catalog of today."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.charge import Billing, charge_for
from bursar.catalog.reprice import reprice
from bursar.cli.prices.repricing import attempt_of
from bursar.events import Outcome, Part, PriceStatus, Timings, UsageStatus
from bursar.ledger.duckdb_store import attempt_row
from bursar.ledger.row import settled_row
from bursar.money import parse_usd
from bursar.usage import Meter, Usage, usage_of
from support.cards import make_card, make_catalog
from support.ledger_records import facts, settled, unpriced

NOVA = '[[prices]]\nprovider = "acme"\nmodel = "nova"\nusd = { input_text = "1", output_text = "10" }\n'
COST = "0.000013"
"""Three input tokens at $1 and one output token at $10 for a million."""


def call(number: int, model: str = "nova", **changes):
    """An unpriced call of a model."""
    return unpriced(number, about=facts(number, model=model), model=model, price_list="acme", **changes)


@pytest.fixture
def past(bursar):
    """Two calls of a model that had no price, and one that had."""
    priced = settled(
        3,
        about=facts(3, model="small"),
        model="small",
        price_list="acme",
        cost=parse_usd("0.000007"),
    )
    bursar.record([call(1), call(2), priced])
    bursar.configure(NOVA)
    return bursar


def spend(bursar) -> list[tuple[object, ...]]:
    """What is true of each model now."""
    rows = bursar("report", "--by", "model", "--format", "json").json()
    return sorted((row["model"], row["cost_usd"], row["unpriced_requests"], row["requests"]) for row in rows)


def test_table(past):
    """Models, how many attempts were corrected, and the cost before and after."""
    result = past("prices", "reprice", "--since", "7d")

    assert (0, "2 attempts corrected.\n") == (result.code, result.err)
    past.golden("prices_reprice", result.out)


def test_report_follows(past):
    """Reports show the corrected cost; nothing is counted twice."""
    past("prices", "reprice", "--since", "7d")

    assert [("nova", "0.000026", 0, 2), ("small", "0.000007", 0, 1)] == spend(past)


def test_second_run(past):
    """A second run corrects nothing."""
    past("prices", "reprice", "--since", "7d")
    again = past("prices", "reprice", "--since", "7d", "--format", "json")

    assert "0 attempts corrected.\n" == again.err
    assert {0} == {row["corrected_attempts"] for row in again.json()}
    assert {row["cost_before_usd"] for row in again.json()} == {row["cost_after_usd"] for row in again.json()}


def test_later_price(past):
    """A price that changes again is corrected again."""
    past("prices", "reprice", "--since", "7d")
    past.configure(NOVA.replace('"10"', '"20"'))
    result = past("prices", "reprice", "--since", "7d", "--format", "csv")

    assert "2 attempts corrected.\n" == result.err
    assert ("nova", "0.000046", 0, 2) in spend(past)


def test_dry_run(past):
    """A dry run says what would be and records nothing."""
    result = past("prices", "reprice", "--since", "7d", "--dry-run", "--format", "json")

    assert "2 attempts would be corrected; nothing was recorded.\n" == result.err
    assert ("nova", None, 2, 2) in spend(past)


def test_window(past):
    """Calls outside the window stay as they are."""
    result = past("prices", "reprice", "--since", "2026-11-01T00:00:02", "--until", "2026-11-01T00:00:03")

    assert "1 attempts corrected.\n" == result.err


def test_unpriced_only(past):
    """With --unpriced-only a known cost is left alone, even where the price has changed."""
    past.configure(NOVA + '[[prices]]\nprovider = "acme"\nmodel = "small"\nfree = true\n')
    result = past("prices", "reprice", "--since", "7d", "--unpriced-only", "--format", "json")

    assert ["nova"] == [row["model"] for row in result.json()]


def test_configured_provider(bursar):
    """A price for one configured provider applies to the calls that went through it, and to no others."""
    through = call(1)
    other = unpriced(2, about=facts(2, model="nova", provider="backup"), model="nova", price_list="acme")
    bursar.record([through, other])
    configured = '[[providers]]\nname = "openai"\ndialect = "openai"\nprices = "acme"\n'
    bursar.configure(configured + NOVA + 'credential = "openai"\n')
    rows = bursar("prices", "reprice", "--since", "7d", "--format", "json").json()

    assert [("backup", 0), ("openai", 1)] == [(row["provider"], row["corrected_attempts"]) for row in rows]


@pytest.mark.parametrize(
    "record",
    [
        call(1, usage=(), usage_status=UsageStatus.MISSING),
        call(1, usage=(), usage_status=UsageStatus.INCONSISTENT),
        unpriced(1, about=facts(1, model="nova"), model="nova"),
        call(1, model="other"),
        call(1, conditions=(("service_tier", "priority"),)),
        settled(1, outcome=Outcome.ERROR, price_status=PriceStatus.NOT_BILLED, cost=0, price_list="acme", usage=()),
    ],
    ids=[
        "usage missing",
        "usage inconsistent",
        "no price list kept",
        "no price",
        "no price for its tier",
        "not billed",
    ],
)
def test_nothing_to_settle(bursar, record):
    """An attempt keeps its unknown cost when usage, price list or price is unknown."""
    bursar.record([record])
    bursar.configure(NOVA)
    result = bursar("prices", "reprice", "--since", "7d", "--format", "json")

    assert "0 attempts corrected.\n" == result.err
    assert [0] == [row["corrected_attempts"] for row in result.json()]


def test_wrong_time(bursar):
    """A window that cannot be read is wrong usage, and --since must be given."""
    assert bursar("prices", "reprice", "--since", "soon").code == 2
    assert bursar("prices", "reprice").code == 2


USAGES = st.dictionaries(st.sampled_from([Meter.INPUT_TEXT, Meter.OUTPUT_TEXT]), st.integers(1, 10**6), min_size=1).map(
    usage_of
)
CATALOG = make_catalog(
    make_card("small"),
    make_card("large", usd={"input_mtok": "3", "output_mtok": "9", "requests_kcount": "5"}),
    make_card("small", usd={"input_mtok": "2", "output_mtok": "8"}, conditions=(("service_tier", "priority"),)),
)


@given(
    st.lists(st.tuples(st.sampled_from(["small", "large", "nova"]), USAGES), min_size=1, max_size=3),
    st.sampled_from([(), (("service_tier", "default"),), (("service_tier", "priority"),)]),
)
def test_settled_rows_stand(parts, conditions):
    """A row that was settled on a catalog is not corrected on the same one, however it was charged."""
    billing = Billing(
        price_list="acme",
        credential="openai",
        requested="small",
        parts=tuple(Part(model, usage) for model, usage in parts),
        conditions=conditions,
        at_us=1_000,
        busy_ms=9,
    )
    charge = charge_for(billing, CATALOG)
    row = settled(
        about=facts(model="small", at_us=1_000),
        model=parts[0][0],
        usage=charge.usage.counts,
        price_status=charge.status,
        cost=charge.cost,
        card=charge.card,
        lines=charge.lines,
        timings=Timings(1_000, 5_000, 10_000, 12_000),
        price_list="acme",
        conditions=conditions,
        parts=billing.parts if len(parts) > 1 else (),
    )
    attempt = attempt_of(attempt_row(settled_row(row)))

    assert billing == attempt.billing
    assert Usage(row.usage) == attempt.usage
    assert reprice(attempt, CATALOG, recorded_us=0) is None
