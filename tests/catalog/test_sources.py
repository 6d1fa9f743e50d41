"""Where a card's figures come from: the catalog in force, an older one on disk, or nowhere."""

from bursar.catalog.compiled import keep_snapshot
from bursar.catalog.sheet import Sheet
from bursar.catalog.sources import OLDER, card_sources
from support.cards import make_card, make_catalog

NOW = make_card("small")
BEFORE = make_card("small", usd={"input_mtok": "2"})


def test_sources(tmp_path):
    """A card in force has its source, an older one says that it is older, an unknown one is left out."""
    keep_snapshot(tmp_path, Sheet(cards=(BEFORE,)))

    sources = card_sources([NOW.id, BEFORE.id, "acme/small#nowhere"], catalog=make_catalog(NOW), data_dir=tmp_path)

    assert sources == {NOW.id: "test", BEFORE.id: f"test ({OLDER})"}


def test_nothing_on_disk(tmp_path):
    """A data folder without snapshots is no error."""
    assert card_sources([BEFORE.id], catalog=make_catalog(NOW), data_dir=tmp_path) == {}
