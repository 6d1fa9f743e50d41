"""`bursar budgets list`."""

from pathlib import Path
from typing import Final

import click

from bursar.cli.budgets.book import opened_book, spent_accounts
from bursar.cli.budgets.rows import COLUMNS, STANDING, flat_row
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows
from bursar.control.budgetbook import name_of

_TABLE: Final = ("name", "source", "mode", "match", "period", "account", *STANDING)


@click.command("list")
@format_option
@config_option
@click.pass_context
def list_budgets(context: click.Context, *, form: Format, config_path: Path | None) -> None:
    """Print all budgets, those of bursar.toml first (source: file), with what they have spent and have left.

    Of a budget with several accounts (per user, per customer) the fullest is shown. Limits include top-ups. JSON and
    CSV have every field.
    """
    with opened_book(context.obj, config_path) as opened:
        accounts = spent_accounts(context.obj, config_path, opened)
        rows = [flat_row(one, accounts.get(name_of(one), ()), now_us=opened.now_us) for one in opened.book.every()]
    if not rows:
        notice("There are no budgets: nothing limits what is spent. Make one with `bursar budgets create`.")
    print_rows(rows, columns=_TABLE if form == "table" else COLUMNS, form=form)
