"""Price bundles in files."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.catalog.bundle import BundleError, export_bundle, import_bundle, read_bundle, stored_bundles
from bursar.catalog.sheet import ModelNames, seal
from bursar.price import CardId, DailyWindow, PriceCard, Rate, Tier, rate_set
from bursar.usage import Meter
from support.cards import make_card

RATES = st.dictionaries(
    st.sampled_from([Meter.INPUT_TEXT, Meter.CACHE_WRITE_1H, Meter.OUTPUT_TEXT, Meter.GPU_MS]),
    st.fractions(0, 10**9, max_denominator=1000).map(lambda one: Rate(*one.as_integer_ratio())),
)
INSTANTS = st.none() | st.integers(-(10**15), 4 * 10**15)


@st.composite
def cards(draw) -> PriceCard:
    """Any price card."""
    return seal(
        PriceCard(
            id=CardId(""),
            provider=draw(st.sampled_from(["acme", "beta"])),
            model=draw(st.text(min_size=1, max_size=8)),
            rates=rate_set(draw(RATES)),
            source="test",
            tiers=tuple(
                Tier(above, rate_set(draw(RATES))) for above in sorted(draw(st.sets(st.integers(1, 10**6), max_size=2)))
            ),
            conditions=draw(st.sampled_from([(), (("processing", "batch"),)])),
            window=draw(st.none() | st.builds(DailyWindow, st.integers(0, 1439), st.integers(0, 1439))),
            valid_from_us=draw(INSTANTS),
            valid_to_us=draw(INSTANTS),
            minimums=draw(st.sampled_from([(), ((int(Meter.INPUT_AUDIO_MS), 10_000),)])),
        )
    )


@settings(max_examples=50)
@given(st.lists(cards(), max_size=2))
def test_round_trip(exported):
    """What is exported is imported with the same prices and the same ids."""
    sheet = read_bundle(export_bundle(exported, [ModelNames("acme", "x", aliases=("y",))]), known_at_us=5)

    assert [card.id for card in exported] == [card.id for card in sheet.cards]
    assert [(card.rates, card.tiers, card.window) for card in exported] == [
        (card.rates, card.tiers, card.window) for card in sheet.cards
    ]
    assert sheet.models == (ModelNames("acme", "x", aliases=("y",)),)
    assert {5} >= {card.known_at_us for card in sheet.cards}


def test_white_space_does_not_matter():
    """A bundle may be reformatted: its digest is over what it says."""
    data = export_bundle([make_card()])
    squeezed = json.dumps(json.loads(data), separators=(",", ":")).encode()

    assert read_bundle(data, known_at_us=1) == read_bundle(squeezed, known_at_us=1)


def test_changed_figure_is_refused():
    """A bundle whose content does not match its digest is refused."""
    data = export_bundle([make_card()]).replace(b'"0.000001"', b'"0.000002"')

    with pytest.raises(BundleError, match="hashes to"):
        read_bundle(data, known_at_us=1)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format":"other"}', b"\xff"])
def test_malformed(data):
    """Anything but a bundle is refused."""
    with pytest.raises(BundleError, match="not a price bundle"):
        read_bundle(data, known_at_us=1)


def test_import_and_load(tmp_path):
    """Imported bundles are found again in the order of import, known since their first import."""
    first, second = export_bundle([make_card("a")]), export_bundle([make_card("b")])
    import_bundle(tmp_path, second, now_us=10)
    import_bundle(tmp_path, first, now_us=20)
    again = import_bundle(tmp_path, second, now_us=30)

    assert [(card.model, card.known_at_us) for sheet in stored_bundles(tmp_path) for card in sheet.cards] == [
        ("b", 10),
        ("a", 20),
    ]
    assert again.known_at_us == 10


def test_stored_bundle_damaged(tmp_path):
    """A stored bundle that was altered is named."""
    import_bundle(tmp_path, export_bundle([make_card()]), now_us=10)
    path = next((tmp_path / "prices" / "bundles").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"0.000001"', b'"0.000002"'))

    with pytest.raises(BundleError, match=path.name):
        stored_bundles(tmp_path)
