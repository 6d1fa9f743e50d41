"""Prices as rows."""

from bursar.catalog.rows import card_rows, list_rows, model_cards
from bursar.catalog.sheet import ModelNames
from support.cards import make_card, make_catalog

SMALL = make_card("small", above={100: {"input_mchars": "2"}}, usd={"input_mchars": "1"}, valid=(0, 86_400_000_000))
CATALOG = make_catalog(
    make_card("small", provider="azure", conditions=(("deployment", "global"),)),
    SMALL,
    names=(ModelNames("acme", "small", aliases=("tiny",), context_window=5),),
)


def test_list_rows():
    """Each listed model has a row with its ordinary price, or with the reason why it has none."""
    assert [
        (row["provider"], row["model"], row["input_mtok_usd"], row["note"], row["context_window"])
        for row in list_rows(CATALOG, at_us=86_400_000_000)
    ] == [
        ("acme", "small", None, "acme/small has no price at that time for ordinary", 5),
        ("azure", "small", "1.00", "", None),
    ]
    assert [row["provider"] for row in list_rows(CATALOG, at_us=0, provider="azure")] == ["azure"]


def test_card_rows():
    """A card has a row for each price in each context tier."""
    assert [
        tuple(
            row[name] for name in ("meter", "above_input_tokens", "price_usd", "per", "unit", "valid_from", "valid_to")
        )
        for row in card_rows(SMALL)
    ] == [
        ("characters", None, "1.00", 1_000_000, "character", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
        ("requests", None, "0.00", 1, "request", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
        ("characters", 100, "2.00", 1_000_000, "character", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
        ("requests", 100, "0.00", 1, "request", "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
    ]


def test_card_rows_window():
    """A daily window reads as two times of the UTC day."""
    assert {"22:00-06:05"} == {row["daily_utc"] for row in card_rows(make_card(window=(1320, 365)))}


def test_model_cards():
    """All cards of a model are found under any of its names."""
    assert model_cards(CATALOG, "acme", "tiny") == (SMALL,)
    assert model_cards(CATALOG, "acme", "huge") == ()
