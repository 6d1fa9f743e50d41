"""Pricing settled attempts again."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bursar.catalog.reprice import Attempt, reprice
from bursar.catalog.snapshot import Catalog
from bursar.events import PriceStatus
from bursar.money import Pico
from bursar.price import cost
from bursar.usage import Meter, usage_of
from support.cards import make_card, make_catalog

USED = usage_of({Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 10})
UNPRICED = Attempt(
    call_id="c",
    attempt=1,
    price_list="acme",
    credential=None,
    requested="small",
    served=None,
    conditions=(),
    at_us=50,
    usage=USED,
    price_status=PriceStatus.UNPRICED,
    cost=None,
    revision=0,
)


def applied(attempt: Attempt, catalog: Catalog) -> Attempt:
    """The attempt with its correction, if any, applied."""
    correction = reprice(attempt, catalog, recorded_us=1)
    if correction is None:
        return attempt
    return replace(attempt, price_status=correction.price_status, cost=correction.cost, revision=correction.revision)


def test_unpriced_becomes_priced():
    """A price that is known now settles an attempt that had none; the correction names card and catalog."""
    catalog = make_catalog(make_card())
    corrected = reprice(UNPRICED, catalog, recorded_us=9)

    assert (
        corrected.revision,
        corrected.recorded_us,
        corrected.reason,
        corrected.price_status,
    ) == (1, 9, "repriced on test", PriceStatus.PRICED)
    assert (corrected.cost, corrected.delta) == (1_040_000_000, 1_040_000_000)
    assert (make_card().id, catalog.digest) == (corrected.card, corrected.catalog)
    assert corrected.cost == sum(line.pico for line in corrected.lines)


def test_price_changed():
    """A price that turned out different is corrected by the difference."""
    priced = replace(UNPRICED, price_status=PriceStatus.PRICED, cost=Pico(2_000_000_000), revision=3)
    corrected = reprice(priced, make_catalog(make_card()), recorded_us=0)

    assert (corrected.revision, corrected.delta) == (4, -960_000_000)


def test_free():
    """An explicit zero makes an attempt free."""
    corrected = reprice(UNPRICED, make_catalog(make_card(usd={"input_mtok": "0", "output_mtok": "0"})), recorded_us=0)

    assert (corrected.price_status, corrected.cost) == (PriceStatus.FREE, 0)


def test_nothing_to_correct():
    """No correction without a bill, a usage, a price for all of it, or a change."""
    catalog = make_catalog(make_card(usd={"input_mtok": "1"}))
    whole = make_catalog(make_card())
    priced = replace(UNPRICED, price_status=PriceStatus.PRICED, cost=Pico(1_040_000_000))

    assert reprice(replace(UNPRICED, price_status=PriceStatus.NOT_BILLED), whole, recorded_us=0) is None
    assert reprice(replace(UNPRICED, usage=None), whole, recorded_us=0) is None
    assert reprice(replace(UNPRICED, requested="huge"), whole, recorded_us=0) is None
    assert reprice(UNPRICED, catalog, recorded_us=0) is None
    assert reprice(priced, whole, recorded_us=0) is None


def test_price_is_never_taken_back():
    """An attempt keeps its cost when the catalog forgets its model."""
    priced = replace(UNPRICED, price_status=PriceStatus.PRICED, cost=Pico(5), requested="forgotten")

    assert reprice(priced, make_catalog(make_card()), recorded_us=0) is None


@given(st.lists(st.sampled_from(["1", "2.5", "0", "0.0375"]), min_size=1, max_size=4), st.integers(0, 10**9))
def test_laws(prices, tokens):
    """Repricing is idempotent, and cost plus deltas is always the last catalog's cost."""
    used = usage_of({Meter.INPUT_TEXT: tokens + 1})
    attempt = replace(UNPRICED, usage=used)
    total = 0
    for usd in prices:
        catalog = make_catalog(make_card(usd={"input_mtok": usd}))
        correction = reprice(attempt, catalog, recorded_us=0)
        total += correction.delta if correction else 0
        attempt = applied(attempt, catalog)

        assert reprice(attempt, catalog, recorded_us=0) is None
        assert total == attempt.cost == cost(used, catalog.resolve("acme", "small", at_us=0).card).total
