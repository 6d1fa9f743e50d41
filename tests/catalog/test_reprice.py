"""Pricing settled attempts again."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bursar.catalog.charge import Billing
from bursar.catalog.reprice import Attempt, reported, reprice
from bursar.catalog.sheet import seal
from bursar.catalog.snapshot import Catalog
from bursar.events import Part, PriceStatus
from bursar.money import Pico
from bursar.price import cost
from bursar.usage import Meter, Usage, usage_of
from support.cards import make_card, make_catalog

USED = usage_of({Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 10})
BILLING = Billing(
    price_list="acme",
    credential=None,
    requested="small",
    parts=(Part("", USED),),
    conditions=(),
    at_us=50,
    busy_ms=0,
)
UNPRICED = Attempt(
    call_id="c",
    attempt=1,
    revision=0,
    billing=BILLING,
    usage=USED,
    price_status=PriceStatus.UNPRICED,
    cost=None,
)


def applied(attempt: Attempt, catalog: Catalog) -> Attempt:
    """The attempt with its correction, if any, applied."""
    correction = reprice(attempt, catalog, recorded_us=1)
    if correction is None:
        return attempt
    used = attempt.usage if correction.usage is None else Usage(correction.usage)
    return replace(
        attempt,
        price_status=correction.price_status,
        cost=correction.cost,
        revision=correction.revision,
        usage=used,
    )


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
    assert reprice(replace(UNPRICED, billing=None), whole, recorded_us=0) is None
    assert reprice(replace(UNPRICED, billing=replace(BILLING, requested="huge")), whole, recorded_us=0) is None
    assert reprice(UNPRICED, catalog, recorded_us=0) is None
    assert reprice(priced, whole, recorded_us=0) is None


def test_price_is_never_taken_back():
    """An attempt keeps its cost when the catalog forgets its model."""
    forgotten = replace(BILLING, requested="forgotten")
    priced = replace(UNPRICED, price_status=PriceStatus.PRICED, cost=Pico(5), billing=forgotten)

    assert reprice(priced, make_catalog(make_card()), recorded_us=0) is None


@given(st.lists(st.sampled_from(["1", "2.5", "0", "0.0375"]), min_size=1, max_size=4), st.integers(0, 10**9))
def test_laws(prices, tokens):
    """Repricing is idempotent, and cost plus deltas is always the last catalog's cost."""
    used = usage_of({Meter.INPUT_TEXT: tokens + 1})
    attempt = replace(UNPRICED, usage=used, billing=replace(BILLING, parts=(Part("", used),)))
    total = 0
    for usd in prices:
        catalog = make_catalog(make_card(usd={"input_mtok": usd}))
        correction = reprice(attempt, catalog, recorded_us=0)
        total += correction.delta if correction else 0
        attempt = applied(attempt, catalog)

        assert reprice(attempt, catalog, recorded_us=0) is None
        assert total == attempt.cost == cost(used, catalog.resolve("acme", "small", at_us=0).card).total


def test_meter_that_the_card_adds():
    """A correction onto a card that counts requests or machine time carries the usage it was charged for, once."""
    card = make_card(usd={"input_mtok": "1", "output_mtok": "4", "requests_kcount": "5"})
    corrected = reprice(UNPRICED, make_catalog(card), recorded_us=0)
    again = replace(
        applied(UNPRICED, make_catalog(card)),
        billing=replace(BILLING, parts=(Part("", reported(Usage(corrected.usage))),)),
    )

    assert (*USED.counts, (int(Meter.REQUESTS), 1)) == corrected.usage
    assert corrected.cost == 1_040_000_000 + 5_000_000_000
    assert reprice(again, make_catalog(card), recorded_us=0) is None


def test_several_models():
    """Each model's part is priced on its own card, and one part without a price leaves the whole as it was."""
    parts = (Part("small", USED), Part("large", USED))
    attempt = replace(UNPRICED, usage=USED + USED, billing=replace(BILLING, parts=parts))
    both = make_catalog(make_card(), make_card("large", usd={"input_mtok": "10", "output_mtok": "40"}))

    assert reprice(attempt, make_catalog(make_card()), recorded_us=0) is None
    assert reprice(attempt, both, recorded_us=0).cost == 1_040_000_000 + 10_400_000_000


def test_list_price():
    """A correction at a negotiated price states the list price of the same usage."""
    listed = make_card()
    agreed = seal(replace(make_card(usd={"input_mtok": "0.5", "output_mtok": "2"}), list_card=listed.id))
    corrected = reprice(UNPRICED, make_catalog(listed, agreed), recorded_us=0)

    assert (corrected.cost, corrected.list_cost) == (520_000_000, 1_040_000_000)
