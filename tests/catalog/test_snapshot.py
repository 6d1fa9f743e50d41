"""Finding the price of a request."""

import pytest

from bursar.catalog.sheet import ModelNames
from bursar.catalog.snapshot import Match, NoPrice, build_catalog
from support.cards import make_card, make_catalog

BATCH = (("processing", "batch"),)


def test_resolve_exact():
    """A listed id resolves to its card."""
    card = make_card("small")

    assert make_catalog(card).resolve("acme", "small", at_us=0) == Match(card, "exact")


def test_resolve_alias_and_snapshot():
    """Aliases and vouched-for dates lead to the same card, and say how."""
    card = make_card("small")
    names = ModelNames("acme", "small", aliases=("tiny",), shapes=("small-YYYYMMDD",))
    catalog = make_catalog(card, names=(names,))

    assert Match(card, "alias") == catalog.resolve("acme", "tiny", at_us=0)
    assert Match(card, "snapshot") == catalog.resolve("acme", "small-20260101", at_us=0)


@pytest.mark.parametrize("name", ["smal", "smaller", "small-2026", "small-2026-01-01", "Small", "ft:small:acme::1", ""])
def test_resolve_never_guesses(name):
    """A name that merely resembles a listed one has no price."""
    names = ModelNames("acme", "small", shapes=("small-YYYYMMDD",))
    catalog = make_catalog(make_card("small"), names=(names,))

    assert isinstance(catalog.resolve("acme", name, at_us=0), NoPrice)


def test_resolve_folded_provider():
    """Where a provider's ids are compared without regard to case, capitals do not matter."""
    card = make_card("Org/Small")
    catalog = make_catalog(card, folded=("acme",))

    assert Match(card, "exact") == catalog.resolve("acme", "org/small", at_us=0)


def test_resolve_folded_clash():
    """Two ids that differ in capitals alone are told apart, and a third spelling is neither."""
    catalog = make_catalog(make_card("A"), make_card("a", usd={"input_mtok": "2"}), folded=("acme",))

    assert catalog.resolve("acme", "A", at_us=0) != catalog.resolve("acme", "a", at_us=0)


def test_resolve_exact_before_alias():
    """An id wins over another model's alias of the same spelling."""
    small, large = make_card("small"), make_card("large", usd={"input_mtok": "9"})
    catalog = make_catalog(small, large, names=(ModelNames("acme", "small", aliases=("large",)),))

    assert Match(large, "exact") == catalog.resolve("acme", "large", at_us=0)


def test_resolve_variant():
    """A condition selects its own card; one without a card has no price and names those that have."""
    base, batch = make_card(), make_card(usd={"input_mtok": "0.5"}, conditions=BATCH)
    catalog = make_catalog(base, batch)

    assert Match(batch, "exact") == catalog.resolve("acme", "small", conditions=BATCH, at_us=0)
    refused = catalog.resolve("acme", "small", conditions=(("service_tier", "priority"),), at_us=0)
    assert refused == NoPrice("acme/small has no price for service_tier=priority (known: ordinary; processing=batch)")


def test_resolve_validity():
    """A card holds from its first instant to just before its last."""
    old, new = make_card(valid=(None, 100)), make_card(usd={"input_mtok": "2"}, valid=(100, 200))
    catalog = make_catalog(old, new)

    assert Match(old, "exact") == catalog.resolve("acme", "small", at_us=99)
    assert Match(new, "exact") == catalog.resolve("acme", "small", at_us=100)
    assert NoPrice("acme/small has no price at that time for ordinary") == catalog.resolve("acme", "small", at_us=200)


def test_resolve_daily_window():
    """A daily window picks the card by the minute of the UTC day, past midnight too."""
    night, day = make_card(window=(1320, 360)), make_card(usd={"input_mtok": "2"}, window=(360, 1320))
    catalog = make_catalog(night, day)
    hour_us = 3_600_000_000

    assert [night, night, day, day, night] == [
        catalog.resolve("acme", "small", at_us=hour * hour_us).card for hour in (0, 5, 6, 21, 22)
    ]


def test_resolve_later_card_wins():
    """Where two cards hold for a request, the later one on the sheet wins."""
    below, above = make_card(), make_card(usd={"input_mtok": "2"}, valid=(100, None))
    catalog = make_catalog(below, above)

    assert [below, above] == [catalog.resolve("acme", "small", at_us=at).card for at in (99, 100)]


def test_resolve_credential():
    """A card tied to a configured provider holds for calls through it alone."""
    listed, own = make_card(), make_card(usd={"input_mtok": "2"}, conditions=(("credential", "acme-eu"),))
    catalog = make_catalog(listed, own)

    assert [listed, listed, own] == [
        catalog.resolve("acme", "small", at_us=0, credential=name).card for name in (None, "acme-us", "acme-eu")
    ]


def test_resolve_every_model():
    """A card for every model prices listed and unlisted names, below cards of the model's own that come later."""
    listed, every = make_card("small"), make_card("*", usd={"input_mtok": "2"})
    own = make_card("large", usd={"input_mtok": "3"})
    catalog = make_catalog(listed, every, own)

    assert [every, every, own] == [
        catalog.resolve("acme", name, at_us=0).card for name in ("small", "unheard-of", "large")
    ]


def test_resolve_any_conditions():
    """A card for any conditions wins over those below it whatever the tier."""
    listed, any_card = make_card(), make_card(usd={"input_mtok": "0"}, conditions=(("*", "*"),))
    catalog = make_catalog(listed, any_card)

    assert [any_card, any_card] == [
        catalog.resolve("acme", "small", conditions=conditions, at_us=0).card for conditions in ((), BATCH)
    ]


def test_resolve_unlisted():
    """An unlisted model and an unlisted provider are named with the way out."""
    catalog = make_catalog(make_card())

    assert "does not list a model named huge" in catalog.resolve("acme", "huge", at_us=0).reason
    assert "no price list for provider nobody" in catalog.resolve("nobody", "small", at_us=0).reason


def test_resolve_quarantined():
    """A model that a second source disputes still prices, and says so."""
    catalog = build_catalog(make_catalog(make_card()).sheet, quarantine=frozenset({("acme", "small")}))

    assert catalog.resolve("acme", "small", at_us=0).quarantined


def test_resolve_bedrock_arn():
    """Bedrock's ARNs lead to the model they name."""
    card = make_card("amazon.nova-lite-v1:0", provider="aws")
    arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"

    assert Match(card, "exact") == make_catalog(card).resolve("aws", arn, at_us=0)


def test_catalog_listing():
    """A catalog lists its providers and models, finds cards by id and knows the limits of a model's aliases."""
    card = make_card("small")
    names = ModelNames("acme", "small", aliases=("tiny",), context_window=1000, max_output_tokens=100)
    catalog = make_catalog(card, make_card("other", provider="beta"), names=(names,))

    assert catalog.providers() == ("acme", "beta")
    assert catalog.models("acme") == ("small",)
    assert catalog.models("nobody") == ()
    assert catalog.card(card.id) == card
    assert catalog.card("acme/small#0000000000") is None
    assert catalog.canonical("acme", "tiny") == "small"
    assert catalog.canonical("acme", "huge") is None
    assert catalog.context_window("acme", "tiny") == 1000
    assert catalog.max_output_tokens("acme", "tiny") == 100
    assert catalog.max_output_tokens("beta", "other") is None
