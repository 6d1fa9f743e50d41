"""Small price cards and catalogs for tests that do not need the packaged list."""

from collections.abc import Mapping
from decimal import Decimal

from bursar.catalog.rates import spread
from bursar.catalog.sheet import ModelNames, Sheet, seal
from bursar.catalog.snapshot import Catalog, build_catalog
from bursar.price import CardId, DailyWindow, PriceCard, Tier, rate_set


def make_card(
    model: str = "small",
    *,
    provider: str = "acme",
    usd: Mapping[str, str] | None = None,
    above: Mapping[int, Mapping[str, str]] | None = None,
    conditions: tuple[tuple[str, str], ...] = (),
    valid: tuple[int | None, int | None] = (None, None),
    window: tuple[int, int] | None = None,
) -> PriceCard:
    """A sealed card; prices are USD by the source's price keys, ``input_mtok`` and ``output_mtok`` unless given."""
    prices = usd if usd is not None else {"input_mtok": "1", "output_mtok": "4"}
    card = PriceCard(
        id=CardId(""),
        provider=provider,
        model=model,
        rates=rate_set(spread(_amounts(prices))),
        source="test",
        tiers=tuple(Tier(start, rate_set(spread(_amounts(higher)))) for start, higher in sorted((above or {}).items())),
        conditions=conditions,
        window=DailyWindow(*window) if window else None,
        valid_from_us=valid[0],
        valid_to_us=valid[1],
    )
    return seal(card)


def make_catalog(*cards: PriceCard, names: tuple[ModelNames, ...] = (), folded: tuple[str, ...] = ()) -> Catalog:
    """A catalog of these cards, the later ones winning."""
    return build_catalog(Sheet(cards=cards, models=names, folded=folded))


def _amounts(prices: Mapping[str, str]) -> dict[str, Decimal]:
    return {key: Decimal(text) for key, text in prices.items()}
