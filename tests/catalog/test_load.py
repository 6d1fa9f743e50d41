"""The catalog in force."""

import re
from pathlib import Path

from bursar.catalog.bundle import export_bundle, import_bundle
from bursar.catalog.compiled import find_card, find_snapshot
from bursar.catalog.load import load_catalog
from bursar.catalog.quarantine import Disputed, store_quarantine
from bursar.config import Config, parse_config
from bursar.price import Rate
from bursar.usage import Meter
from support.cards import make_card

DISCOUNT = parse_config('[[prices]]\nprovider = "openai"\nmodel = "*"\ndiscount_percent = "10"', source="test")
AT_US = 1_795_000_000_000_000


def test_layers(data_dir):
    """A bundle lies above the packaged prices, and the configuration's discount applies to what the bundle says."""
    before = load_catalog(Config(), data_dir, now_us=1)
    import_bundle(data_dir, export_bundle([make_card("gpt-4o", provider="openai")]), now_us=2)
    listed = load_catalog(Config(), data_dir, now_us=3)
    discounted = load_catalog(DISCOUNT, data_dir, now_us=4)

    assert [Rate(2_500_000), Rate(1_000_000), Rate(900_000)] == [
        catalog.resolve("openai", "gpt-4o", at_us=AT_US).card.rates.by_meter[Meter.INPUT_TEXT]
        for catalog in (before, listed, discounted)
    ]
    assert len({before.digest, listed.digest, discounted.digest}) == 3


def test_reload_is_the_same(data_dir):
    """The same configuration loads the same catalog, known since the first time."""
    first = load_catalog(DISCOUNT, data_dir, now_us=5)
    again = load_catalog(DISCOUNT, data_dir, now_us=6)

    assert (first.digest, first.sheet) == (again.digest, again.sheet)


def test_history(data_dir):
    """Cards of a configuration that is no longer in force are still found, by id and by the catalog's digest."""
    old = load_catalog(DISCOUNT, data_dir, now_us=5)
    load_catalog(Config(), data_dir, now_us=6)
    card = old.resolve("openai", "gpt-4o", at_us=AT_US).card

    assert card == find_card(data_dir, card.id)
    assert old.sheet == find_snapshot(data_dir, old.digest)


def test_quarantine_flags(data_dir):
    """A model in the stored quarantine list still prices, and its match says so."""
    store_quarantine(data_dir, [Disputed("openai", "gpt-4o", ("input_cost_per_token",), 1)])
    catalog = load_catalog(Config(), data_dir, now_us=5)

    assert [catalog.resolve("openai", model, at_us=AT_US).quarantined for model in ("gpt-4o", "gpt-4o-mini")] == [
        True,
        False,
    ]


def test_documented_entries(data_dir):
    """The entries that docs/pricing.md shows can be used, and do what it says."""
    page = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    catalog = load_catalog(parse_config(snippet, source="docs/pricing.md"), data_dir, now_us=1)
    regional = (("deployment", "regional"),)

    assert [Rate(2_187_500), Rate(2_750_000)] == [
        catalog.resolve(provider, model, conditions=conditions, at_us=AT_US - 10**12).card.rates.by_meter[0]
        for provider, model, conditions in (("openai", "prod-chat", ()), ("azure", "gpt-4o", regional))
    ]
