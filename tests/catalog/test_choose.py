"""Which model a request is priced as."""

import pytest

from bursar.catalog.choose import choose, model_to_price
from bursar.catalog.sheet import ModelNames
from bursar.catalog.snapshot import Match, NoPrice
from support.cards import make_card, make_catalog

CATALOG = make_catalog(
    make_card("small"),
    make_card("large", usd={"input_mtok": "9"}),
    names=(ModelNames("acme", "small", aliases=("tiny",)),),
)


@pytest.mark.parametrize(
    ("served", "requested", "priced"),
    [
        ("large", "small", "large"),
        ("tiny", "large", "tiny"),
        (None, "small", "small"),
        ("small-2026-10-01", "small", "small"),
        ("large", None, "large"),
        ("unheard-of", "unheard-of", "unheard-of"),
        ("unheard-of", "unlisted", "unheard-of"),
    ],
)
def test_model_to_price(served, requested, priced):
    """What was served decides; a date on the requested name changes nothing."""
    assert priced == model_to_price(CATALOG, "acme", served=served, requested=requested)


@pytest.mark.parametrize(
    ("served", "requested"),
    [("small-turbo", "small"), ("small-2026-10-01", "large"), ("small-turbo-2026-10-01", "small"), (None, None)],
)
def test_model_to_price_unknown(served, requested):
    """A served name that is no dated form of the requested one may be any model, and has no price."""
    assert isinstance(model_to_price(CATALOG, "acme", served=served, requested=requested), NoPrice)


def test_choose():
    """Choosing ends in a card, or in the reason why there is none."""
    found = choose(CATALOG, "acme", served="small-20261001", requested="small", conditions=(), at_us=0)
    none = choose(CATALOG, "acme", served="mystery", requested="small", conditions=(), at_us=0)

    assert Match(make_card("small"), "exact") == found
    assert none == NoPrice(
        "acme served mystery, which its price list does not know, for small; "
        "add [[aliases]] if they are one model, or [[prices]] for it"
    )
