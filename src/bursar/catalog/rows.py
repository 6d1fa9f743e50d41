"""Prices as flat rows for tables, JSON and CSV."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from bursar.catalog.conditions import DEPLOYMENTS, Conditions, describe
from bursar.catalog.rates import known_rates, quoted_per, quoted_usd
from bursar.catalog.sheet import EVERY_MODEL
from bursar.catalog.snapshot import Catalog, Match
from bursar.price import PriceCard, RateSet
from bursar.usage import Meter

Row = dict[str, str | int | None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GLOBAL: Final[Conditions] = (("deployment", "global"),)

_COLUMNS: Final = {
    "input_mtok_usd": Meter.INPUT_TEXT,
    "output_mtok_usd": Meter.OUTPUT_TEXT,
    "cache_read_mtok_usd": Meter.CACHE_READ,
    "cache_write_mtok_usd": Meter.CACHE_WRITE_5M,
}
"""What a list shows of each model; `card_rows` shows everything."""


def list_rows(catalog: Catalog, *, at_us: int, provider: str | None = None) -> list[Row]:
    """One row for each listed model: its ordinary price at an instant, empty where it has none."""
    providers = catalog.providers() if provider is None else (provider,)
    return [_list_row(catalog, name, model, at_us=at_us) for name in providers for model in catalog.models(name)]


def card_rows(card: PriceCard) -> list[Row]:
    """One row for each price on a card, context tiers after the ordinary rates."""
    rows = list(_rate_rows(card, card.rates, above=None))
    for tier in card.tiers:
        rows += _rate_rows(card, tier.rates, above=tier.above_input_tokens)
    return rows


def model_cards(catalog: Catalog, provider: str, model: str) -> tuple[PriceCard, ...]:
    """Every card that prices a model under any condition at any time, the winning ones last.

    Cards for every model of the provider count too; empty when nothing prices it.
    """
    names = (catalog.canonical(provider, model), EVERY_MODEL)
    return tuple(card for card in catalog.sheet.cards if card.provider == provider and card.model in names)


def iso(instant_us: int | None) -> str | None:
    """An instant as ISO 8601 text in UTC; exact for any year a card may name. No bound stays none."""
    if instant_us is None:
        return None
    return (_EPOCH + timedelta(microseconds=instant_us)).isoformat().replace("+00:00", "Z")


def _list_row(catalog: Catalog, provider: str, model: str, *, at_us: int) -> Row:
    conditions = _GLOBAL if provider in DEPLOYMENTS else ()
    found = catalog.resolve(provider, model, conditions=conditions, at_us=at_us)
    card, note = (found.card, "") if isinstance(found, Match) else (None, found.reason)
    row: Row = {"provider": provider, "model": model}
    for column, meter in _COLUMNS.items():
        rate = card.rates.by_meter[meter] if card else None
        row[column] = quoted_usd(meter, rate) if rate is not None else None
    row["context_window"] = catalog.context_window(provider, model)
    row["valid_from"] = iso(card.valid_from_us) if card else None
    row["source"] = card.source if card else None
    row["card"] = card.id if card else None
    row["note"] = note
    return row


def _rate_rows(card: PriceCard, rates: RateSet, *, above: int | None) -> Iterator[Row]:
    for meter, rate in known_rates(rates).items():
        yield {
            "card": card.id,
            "provider": card.provider,
            "model": card.model,
            "conditions": describe(card.conditions),
            "meter": meter.label,
            "above_input_tokens": above,
            "price_usd": quoted_usd(meter, rate),
            "per": quoted_per(meter),
            "unit": meter.unit,
            "valid_from": iso(card.valid_from_us),
            "valid_to": iso(card.valid_to_us),
            "daily_utc": _window(card),
            "source": card.source,
            "known_at": iso(card.known_at_us),
        }


def _window(card: PriceCard) -> str | None:
    if card.window is None:
        return None
    edges = (card.window.start_minute, card.window.end_minute)
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in edges)
