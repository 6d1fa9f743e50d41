"""Cards and digests that name their content."""

import pytest
from msgspec.structs import replace

from bursar.catalog.sheet import ModelNames, Sheet, digest_of, seal
from bursar.price import CardId, DailyWindow
from support.cards import make_card

CARD = make_card(above={10: {"input_mtok": "2"}})


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "beta"},
        {"model": "large"},
        {"rates": make_card(usd={"input_mtok": "3"}).rates},
        {"tiers": ()},
        {"conditions": (("processing", "batch"),)},
        {"window": DailyWindow(0, 60)},
        {"valid_from_us": 1},
        {"valid_to_us": 1},
        {"minimums": ((23, 10_000),)},
        {"list_card": CardId("acme/small#0000000000")},
    ],
)
def test_seal_names_content(change):
    """Whatever makes a price what it is, changes its id."""
    assert CARD.id != seal(replace(CARD, **change)).id


def test_seal_ignores_provenance():
    """The same price from another source, learnt at another time, has the same id."""
    assert CARD.id == seal(replace(CARD, source="elsewhere", known_at_us=99)).id


def test_digest():
    """A sheet's digest names its cards, their precedence, and its names."""
    other = make_card("large")
    sheets = [
        Sheet(cards=(CARD, other)),
        Sheet(cards=(other, CARD)),
        Sheet(cards=(CARD,)),
        Sheet(cards=(CARD,), models=(ModelNames("acme", "small", aliases=("tiny",)),)),
        Sheet(cards=(CARD,), folded=("acme",)),
    ]

    assert len(sheets) == len({digest_of(sheet) for sheet in sheets})
    assert digest_of(sheets[2]) == digest_of(replace(sheets[2], known_at_us=99))
