"""Which cards a request may turn out to be charged by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.catalog.conditions import ON_REQUEST
from bursar.catalog.offer import build_offer
from bursar.price import upper_bound
from support.cards import make_card

CONDITIONS = [
    (),
    (("service_tier", "flex"),),
    (("service_tier", "priority"),),
    (("service_tier", "fast"),),
    (("processing", "batch"),),
    (("region", "eu"),),
    (("region", "eu"), ("service_tier", "priority")),
    (("speed", "fast"),),
]
prices = st.fixed_dictionaries({"input_mtok": st.integers(0, 9).map(str), "output_mtok": st.integers(0, 9).map(str)})


@given(st.dictionaries(st.sampled_from(CONDITIONS), prices, min_size=1), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_dearest_is_never_left_out(cards, input_tokens, output_tokens):
    """Of all cards that may be served unasked, the dearest for a request is among those within reach."""
    offer = build_offer("small", [make_card(usd=usd, conditions=when) for when, usd in cards.items()])

    def dearest(found):
        bounds = [upper_bound(card, input_tokens=input_tokens, output_tokens=output_tokens) for card in found]
        return max(bounds, default=None)

    servable = [when for when in cards if not ON_REQUEST.intersection(dict(when))]
    every = [offer.find(when, at_us=0, credential=None) for when in servable]

    assert dearest(every) == dearest(offer.within_reach((), tier=None, asks=(), at_us=0, credential=None))


@pytest.mark.parametrize(
    ("tier", "asks", "expected"),
    [
        ("default", (), [()]),
        ("flex", (), [(), (("service_tier", "flex"),)]),
        ("default", (("speed", "fast"),), [(), (("speed", "fast"),)]),
    ],
)
def test_promises_and_wishes(tier, asks, expected):
    """A tier that is promised excludes the others; what is served only on request counts when it is requested."""
    offer = build_offer(
        "small", [make_card(conditions=when) for when in CONDITIONS if dict(when).get("region") is None]
    )
    found = offer.within_reach((), tier=tier, asks=asks, at_us=0, credential=None)

    assert expected == [card.conditions for card in found]


def test_account():
    """Facts of the account are given: a card for another kind of deployment is out of reach."""
    regional, shared = (("deployment", "regional"),), (("deployment", "global"),)
    offer = build_offer(
        "small", [make_card(conditions=regional, usd={"input_mtok": "9"}), make_card(conditions=shared)]
    )
    found = offer.within_reach(shared, tier=None, asks=(), at_us=0, credential=None)

    assert [shared] == [card.conditions for card in found]


def test_time_and_credential():
    """A dearer card of another time or credential does not hide the one that holds."""
    cards = [
        make_card(usd={"input_mtok": "1"}),
        make_card(usd={"input_mtok": "9"}, conditions=(("service_tier", "priority"),), valid=(10, None)),
        make_card(usd={"input_mtok": "8"}, conditions=(("credential", "other"), ("service_tier", "fast"))),
    ]
    found = build_offer("small", cards).within_reach((), tier=None, asks=(), at_us=0, credential=None)

    assert [cards[0]] == list(found)
