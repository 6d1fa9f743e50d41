"""What a settled row keeps of the facts that decided its price."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.reprice import reprice
from bursar.cli.prices.repricing import attempt_of
from bursar.config import Provider
from bursar.dialects.base import Reading
from bursar.dialects.registry import dialect_for
from bursar.events import CallFacts, Outcome, Part, PriceStatus, Settled, Timings, UsageStatus
from bursar.gateway.settle import NOTHING, Ending, conditions_of, settle
from bursar.gateway.targets import Target, build_target
from bursar.ledger.duckdb_store import attempt_row
from bursar.ledger.row import settled_row
from bursar.usage import Meter, usage_of
from support.cards import make_card, make_catalog
from support.ledger_records import facts

USED = usage_of({Meter.INPUT_TEXT: 100, Meter.OUTPUT_TEXT: 10})
CATALOG = make_catalog(
    make_card("small"),
    make_card("small", usd={"input_mtok": "2", "output_mtok": "8"}, conditions=(("service_tier", "priority"),)),
    make_card("large", usd={"input_mtok": "3", "output_mtok": "9", "requests_kcount": "5"}),
)
DEARER = make_catalog(make_card("small", usd={"input_mtok": "7", "output_mtok": "7"}), make_card("large"))


def target_of(**settings: object) -> Target:
    """A configured provider that is charged by the list of `acme`."""
    provider = msgspec.convert({"name": "p", "dialect": "openai", "prices": "acme", **settings}, Provider)
    dialect = dialect_for(provider.dialect)
    return build_target(provider, dialect, base_url="https://p.example/v1", api_key=b"k", sign=None)


def settled(reading: Reading, target: Target, about: CallFacts) -> Settled:
    """The row of an attempt that was read so."""
    ending = Ending(Outcome.SUCCESS, 200, None, Timings(1_000, 2_000, 9_000, 9_500), 10, 20)
    return settle(about, reading, ending, target=target, catalog=CATALOG, decisions=())


def test_facts_are_kept():
    """The price list, the account's and the answer's conditions, and each model's part."""
    parts = (Part("small", USED), Part("large", USED))
    reading = Reading(
        usage=USED + USED,
        status=UsageStatus.REPORTED,
        service_tier="default",
        conditions=(("speed", "fast"),),
        parts=parts,
    )
    row = settled(reading, target_of(dialect="azure", deployment="regional"), facts(model="small"))

    assert ("acme", parts) == (row.price_list, row.parts)
    assert (("deployment", "regional"), ("service_tier", "default"), ("speed", "fast")) == row.conditions


def test_answer_wins_over_account():
    """What the provider says it served decides, where both say something."""
    reading = Reading(usage=USED, status=UsageStatus.REPORTED, conditions=(("deployment", "global"),))

    assert (("deployment", "global"),) == conditions_of(target_of(dialect="azure", deployment="regional"), reading)


def test_nothing_billed():
    """An attempt that billed nothing costs zero and is never priced again."""
    row = settled(NOTHING, target_of(), facts(model="small"))

    assert (PriceStatus.NOT_BILLED, 0) == (row.price_status, row.cost)
    assert reprice(attempt_of(attempt_row(settled_row(row))), DEARER, recorded_us=0) is None


@given(
    st.sampled_from(["small", "large", "huge", None]),
    st.sampled_from([None, "default", "priority", "flex"]),
    st.booleans(),
)
def test_repricing_repeats_settling(model, tier, has_parts):
    """A row is corrected by no catalog but another, and then to what settling on that one would have come to."""
    parts = (Part("small", USED), Part("large", USED)) if has_parts else ()
    usage = USED + USED if has_parts else USED
    reading = Reading(usage=usage, status=UsageStatus.REPORTED, model=model, service_tier=tier, parts=parts)
    about = facts(model="small")
    row = settled(reading, target_of(), about)
    attempt = attempt_of(attempt_row(settled_row(row)))
    correction = reprice(attempt, DEARER, recorded_us=0)
    ending = Ending(Outcome.SUCCESS, 200, None, row.timings, 10, 20)
    again = settle(about, reading, ending, target=target_of(), catalog=DEARER, decisions=())

    assert reprice(attempt, CATALOG, recorded_us=0) is None
    if correction is None:
        assert again.cost in (None, row.cost)
    else:
        assert (again.cost, again.price_status, again.card, again.lines, again.list_cost) == (
            correction.cost,
            correction.price_status,
            correction.card,
            correction.lines,
            correction.list_cost,
        )
        assert again.usage == (row.usage if correction.usage is None else correction.usage)


@given(
    st.sampled_from([None, "default", "priority"]),
    st.dictionaries(st.sampled_from(["region", "speed", "deployment"]), st.sampled_from(["a", "b"]), max_size=2),
    st.sampled_from([target_of(), target_of(dialect="azure", deployment="regional")]),
)
def test_conditions(tier, served, target):
    """The account's conditions, what the answer says in their place, and its tier, sorted."""
    reading = Reading(
        usage=USED, status=UsageStatus.REPORTED, service_tier=tier, conditions=tuple(sorted(served.items()))
    )

    expected = dict(target.conditions) | served | ({} if tier is None else {"service_tier": tier})
    assert tuple(sorted(expected.items())) == conditions_of(target, reading)
