"""Price sheets on disk."""

from importlib.metadata import version

import pytest
from msgspec.structs import replace

from bursar.catalog.compiled import (
    DamagedSheet,
    find_card,
    find_snapshot,
    keep_snapshot,
    packaged_sheet,
    read_sheet,
    write_sheet,
)
from bursar.catalog.sheet import Sheet, digest_of
from bursar.price import METER_COUNT
from support.cards import make_card

SMALL = Sheet(cards=(make_card("a"), make_card("b", above={10: {"input_mtok": "2"}})), known_at_us=3)


def test_round_trip(tmp_path):
    """A sheet is read as it was written, and nothing else is left in the folder."""
    path = tmp_path / "new" / "x.cards"
    write_sheet(path, SMALL)

    assert read_sheet(path) == SMALL
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"\0" + data[41:], lambda _: b""])
def test_damage_is_noticed(tmp_path, damage):
    """A cut, altered or empty file is refused."""
    path = tmp_path / "x.cards"
    write_sheet(path, SMALL)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DamagedSheet, match="does not match its checksum"):
        read_sheet(path)


def test_packaged_sheet_is_cached(tmp_path, packaged):
    """The package is compiled once; a second start reads the very file, without compiling."""
    first = packaged_sheet(tmp_path)
    (path,) = (tmp_path / "prices").iterdir()
    write_sheet(path, SMALL)

    assert first == packaged
    assert packaged_sheet(tmp_path) == SMALL
    assert f"genai-{version('genai-prices')}-" in path.name


def test_packaged_sheet_is_rebuilt(tmp_path, packaged):
    """A damaged cache is rebuilt."""
    packaged_sheet(tmp_path)
    (path,) = (tmp_path / "prices").iterdir()
    path.write_bytes(b"x" * 100)

    assert packaged_sheet(tmp_path) == packaged
    assert read_sheet(path) == packaged


def test_snapshots_stay(tmp_path):
    """Every snapshot kept stays findable by digest, and every card in any of them by id."""
    later = Sheet(cards=(make_card("a", usd={"input_mtok": "7"}),))
    keep_snapshot(tmp_path, SMALL)
    keep_snapshot(tmp_path, later)

    assert find_snapshot(tmp_path, digest_of(SMALL)) == SMALL
    assert find_snapshot(tmp_path, "0" * 16) is None
    assert [*SMALL.cards, *later.cards] == [find_card(tmp_path, card.id) for card in (*SMALL.cards, *later.cards)]
    assert find_card(tmp_path, "acme/a#0000000000") is None


def test_kept_snapshot_keeps_its_times(tmp_path):
    """The same prices learnt again stay known since the first time."""
    keep_snapshot(tmp_path, SMALL)

    assert keep_snapshot(tmp_path, replace(SMALL, known_at_us=99)) == SMALL


def test_find_card_skips_damage(tmp_path):
    """A damaged snapshot does not hide a card that another holds."""
    keep_snapshot(tmp_path, SMALL)
    (path,) = (tmp_path / "prices").iterdir()
    path.with_name("broken.cards").write_bytes(b"?" * 32 + path.read_bytes())

    assert SMALL.cards[0] == find_card(tmp_path, SMALL.cards[0].id)


def test_old_card_is_widened(tmp_path):
    """A card written before the newest meters were invented has them as unknown."""
    card = SMALL.cards[0]
    narrow = replace(card, rates=replace(card.rates, by_meter=card.rates.by_meter[:-2]))
    write_sheet(tmp_path / "x.cards", Sheet(cards=(narrow,)))

    (widened,) = read_sheet(tmp_path / "x.cards").cards
    assert len(widened.rates.by_meter) == METER_COUNT
    assert card.rates.by_meter[:-2] == widened.rates.by_meter[:-2]
    assert widened.rates.by_meter[-2:] == (None, None)
