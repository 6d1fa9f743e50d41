"""`bursar budgets create`."""

from pathlib import Path

import click
import msgspec

from bursar.cli.budgets.book import opened_book
from bursar.cli.budgets.terms import stated_terms, terms_options
from bursar.cli.options import config_option
from bursar.cli.output import notice
from bursar.config import Budget


@click.command()
@click.argument("name")
@terms_options
@config_option
@click.pass_context
def create(context: click.Context, /, *, name: str, config_path: Path | None, **options: object) -> None:
    """Make a budget called NAME.

    \b
    bursar budgets create search --match team=search --usd 500
    bursar budgets create users --per user --tokens 200000 --period day

    What its period has seen already counts.
    """
    try:
        budget = msgspec.convert({"name": name, **stated_terms(options)}, Budget)
    except msgspec.ValidationError as wrong:
        raise click.UsageError(f"{name}: {wrong}") from None
    with opened_book(context.obj, config_path) as opened:
        opened.book.create(budget, opened.author)
    notice(f"The budget '{name}' was made. Running gateways see it within seconds.")
