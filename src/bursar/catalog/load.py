"""Compose the catalog in force: packaged list prices, imported bundles, then the configuration's own prices."""

from pathlib import Path

from bursar.catalog.aliases import configured_aliases
from bursar.catalog.bundle import stored_bundles
from bursar.catalog.compiled import keep_snapshot, packaged_sheet
from bursar.catalog.overrides import override_cards
from bursar.catalog.quarantine import quarantined_models, read_quarantine
from bursar.catalog.sheet import Sheet, stacked
from bursar.catalog.snapshot import Catalog, build_catalog
from bursar.config import Config


def load_catalog(config: Config, data_dir: Path, *, now_us: int) -> Catalog:
    """The catalog for this configuration; its cards stay on disk under its digest.

    ``now_us`` is when the configuration's own prices count as known. Raises ConfigError when a `[[prices]]` or
    `[[aliases]]` entry cannot be used, BursarError when a stored bundle or the quarantine list is damaged.
    """
    sheet = keep_snapshot(data_dir, compose(config, listed_prices(data_dir), now_us=now_us))
    return build_catalog(sheet, quarantine=quarantined_models(read_quarantine(data_dir)))


def listed_prices(data_dir: Path) -> Sheet:
    """List prices: the package's, and above them each imported bundle in the order of import."""
    sheet = packaged_sheet(data_dir)
    for layer in stored_bundles(data_dir):
        sheet = stacked(sheet, cards=layer.cards, models=layer.models)
    return sheet


def compose(config: Config, listed: Sheet, *, now_us: int) -> Sheet:
    """List prices with the configuration's own prices and aliases on top."""
    if not config.prices and not config.aliases:
        return listed
    sheet = stacked(listed, cards=override_cards(config, listed, known_at_us=now_us))
    return stacked(sheet, models=configured_aliases(config, sheet))
