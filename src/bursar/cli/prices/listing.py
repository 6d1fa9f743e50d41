"""`bursar prices list`: the price in force of every model."""

from pathlib import Path

import click

from bursar.catalog.rows import list_rows
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows
from bursar.cli.prices.providers import catalog_provider
from bursar.cli.services import Services

_COLUMNS = (
    "provider",
    "model",
    "input_mtok_usd",
    "cache_read_mtok_usd",
    "cache_write_mtok_usd",
    "output_mtok_usd",
    "valid_from",
    "source",
)
_MORE = ("context_window", "card", "note")


@click.command()
@click.option("--provider", metavar="NAME", help="Only this catalog provider, or configured provider's price list.")
@click.option("--model", "part", metavar="TEXT", help="Only models whose name contains this.")
@format_option
@config_option
@click.pass_context
def list_prices(
    context: click.Context, *, provider: str | None, part: str | None, form: Format, config_path: Path | None
) -> None:
    """Print the ordinary price of each model, in USD for a million tokens; `show` has tiers, variants and all meters.

    Exits 1 when no model matches.
    """
    services: Services = context.obj
    catalog = services.catalog(config_path)
    only = catalog_provider(services, config_path, catalog, provider) if provider is not None else None
    rows = list_rows(catalog, at_us=services.clock.now_us(), provider=only)
    if part is not None:
        rows = [row for row in rows if part.lower() in str(row["model"]).lower()]
    if not rows:
        notice(f"No model's name contains {part!r}.")
        context.exit(1)
    print_rows(rows, columns=_COLUMNS if form == "table" else (*_COLUMNS, *_MORE), form=form)
    unpriced = sum(row["card"] is None for row in rows)
    if unpriced and form == "table":
        notice(f"{unpriced} of {len(rows)} models have no ordinary price; --format json says why, in their note.")
