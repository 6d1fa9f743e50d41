"""`bursar prices show`: everything the catalog holds about one model."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from bursar.catalog.conditions import DEPLOYMENTS, Conditions, describe
from bursar.catalog.rows import Row, card_rows, iso, model_cards
from bursar.catalog.sheet import EVERY_MODEL
from bursar.catalog.snapshot import Catalog, Match, NoPrice
from bursar.cli.options import config_option, format_option, moment, pair
from bursar.cli.output import Format, console, notice, print_rows, print_table
from bursar.cli.prices.providers import catalog_provider
from bursar.cli.services import Services
from bursar.price import PriceCard

_COLUMNS = ("meter", "above_input_tokens", "price_usd", "per", "unit")
_CARD = (
    "provider",
    "model",
    "aliases",
    "conditions",
    "daily_utc",
    "valid_from",
    "valid_to",
    "known_at",
    "source",
    "card",
    "in_force",
)


@click.command()
@click.argument("provider")
@click.argument("model")
@click.option("--at", metavar="WHEN", help="Only the card that held then: 30d, 2026-11-01 …  [default: every card]")
@click.option(
    "--condition",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only the card for these: service_tier=priority, processing=batch …; repeat for more.",
)
@format_option
@config_option
@click.pass_context
def show(
    context: click.Context,
    *,
    provider: str,
    model: str,
    at: str | None,
    given: tuple[str, ...],
    form: Format,
    config_path: Path | None,
) -> None:
    """Print every card of a model: its rates by meter and context tier, its conditions, when it held, where it is from.

    PROVIDER is a catalog provider (openai, google, aws …) or the name of a configured one; MODEL is any name the
    catalog knows it by. With --at or --condition only the card that a request would be charged by. Exits 1 when there
    is no such price.
    """
    services: Services = context.obj
    catalog = services.catalog(config_path)
    owner = catalog_provider(services, config_path, catalog, provider)
    at_us = services.clock.now_us() if at is None else moment(at, now_us=services.clock.now_us(), option="--at")
    conditions = tuple(pair(text, form="NAME=VALUE", option="--condition") for text in given)
    found = catalog.resolve(owner, model, conditions=conditions or _ordinary(owner), at_us=at_us, credential=provider)
    cards = model_cards(catalog, owner, model)
    if at is not None or given:
        cards = (found.card,) if isinstance(found, Match) else ()
    if not cards:
        notice(f"No price: {found.reason}." if isinstance(found, NoPrice) else f"{owner} has no card for {model}.")
        context.exit(1)
    if form == "table":
        _print_cards(catalog, model, cards, found)
    else:
        print_rows(_rows(catalog, cards, found), columns=(*_CARD, *_COLUMNS), form=form)


def _ordinary(owner: str) -> Conditions:
    """Where every price names a kind of deployment, the ordinary one is global."""
    return (("deployment", "global"),) if owner in DEPLOYMENTS else ()


def _rows(catalog: Catalog, cards: Sequence[PriceCard], found: Match | NoPrice) -> list[Row]:
    rows: list[Row] = []
    for card in cards:
        about: Row = {"aliases": " ".join(_aliases(catalog, card)), "in_force": _is_in_force(card, found)}
        rows += [row | about for row in card_rows(card)]
    return rows


def _print_cards(catalog: Catalog, model: str, cards: Sequence[PriceCard], found: Match | NoPrice) -> None:
    out = console()
    named = cards[-1]
    limits = (
        ("also", " ".join(_aliases(catalog, named))),
        ("context", _tokens(catalog.context_window(named.provider, model))),
        ("output", _tokens(catalog.max_output_tokens(named.provider, model))),
        ("disputed", "a second source disagrees (bursar prices check)" if _is_disputed(found) else ""),
    )
    out.print(Text(f"{named.provider}/{named.model}", style="bold"))
    for label, text in limits:
        if text:
            out.print(Text(f"{label:<12}", style="dim") + Text(text))
    for card in cards:
        _print_card(card, is_in_force=_is_in_force(card, found))
    if isinstance(found, NoPrice):
        notice(f"No ordinary price now: {found.reason}.")


def _print_card(card: PriceCard, *, is_in_force: bool) -> None:
    out = console()
    out.print()
    out.print(Text(describe(card.conditions), style="bold") + Text("  in force" if is_in_force else "", style="green"))
    rows = card_rows(card)
    daily = rows[0]["daily_utc"] if rows else None
    facts = (
        ("card", card.id),
        ("source", card.source),
        ("valid", f"{iso(card.valid_from_us) or 'always'} to {iso(card.valid_to_us) or 'open'}"),
        ("daily, UTC", daily),
        ("known since", iso(card.known_at_us)),
        ("list card", card.list_card),
    )
    for label, text in facts:
        if text:
            out.print(Text(f"{label:<12}", style="dim") + Text(str(text)))
    print_table(_folded(rows), columns=_COLUMNS)


def _folded(rows: Sequence[Row]) -> list[Row]:
    """Meters at one price on one line."""
    folded: dict[tuple[str | int | None, ...], Row] = {}
    for row in rows:
        held = folded.setdefault(tuple(row[name] for name in _COLUMNS if name != "meter"), dict(row))
        if held["meter"] != row["meter"]:
            held["meter"] = f"{held['meter']}, {row['meter']}"
    return list(folded.values())


def _aliases(catalog: Catalog, card: PriceCard) -> tuple[str, ...]:
    """Other names of the card's model, of every layer."""
    if card.model == EVERY_MODEL:
        return ()
    names = (one for one in catalog.sheet.models if (one.provider, one.model) == (card.provider, card.model))
    return tuple(sorted({name for one in names for name in one.aliases}))


def _is_in_force(card: PriceCard, found: Match | NoPrice) -> bool:
    return isinstance(found, Match) and card.id == found.card.id


def _is_disputed(found: Match | NoPrice) -> bool:
    return isinstance(found, Match) and found.quarantined


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,} tokens"
