"""`bursar budgets show`."""

from pathlib import Path
from typing import Final

import click
from rich.text import Text

from bursar.cli.budgets.book import opened_book, spent_accounts
from bursar.cli.budgets.rows import COLUMNS, STANDING, flat, flat_row
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, console, print_object, print_rows, print_table
from bursar.control.budgetbook import budget_terms, top_up_fields
from bursar.counters.accounts import account_fields

MOST_ACCOUNTS: Final = 20
"""Accounts in a table; JSON has all."""

_WIDTH: Final = 14

_TOP_UPS: Final = ("id", "usd", "tokens", "account", "from", "until", "reason", "made_by", "cancelled_at")


@click.command()
@click.argument("name")
@format_option
@config_option
@click.pass_context
def show(context: click.Context, *, name: str, form: Format, config_path: Path | None) -> None:
    """Print the budget NAME: its terms, its accounts with what they have spent, and its top-ups."""
    with opened_book(context.obj, config_path) as opened:
        found = opened.book.get(name)
        accounts = spent_accounts(context.obj, config_path, opened).get(name, ())
        top_ups = [top_up_fields(record) for record in opened.book.top_ups(name)]
    standings = [account_fields(one, at_us=opened.now_us) for one in accounts]
    if form == "json":
        print_object({**budget_terms(found), "accounts": standings, "top_ups": top_ups})
        return
    if form == "csv":
        print_rows([flat_row(found, accounts, now_us=opened.now_us)], columns=COLUMNS, form=form)
        return
    out = console()
    for field, value in budget_terms(found).items():
        cell = flat(value)
        if cell is not None:
            out.print(Text(f"{field.replace('_', ' '):<{_WIDTH}}", style="dim") + Text(str(cell)))
    measured = [column for column in STANDING if any(row[column] is not None for row in standings)]
    if standings:
        out.print()
        print_table(standings[:MOST_ACCOUNTS], columns=("account", *measured), title="Accounts")
    if top_ups:
        out.print()
        print_table(
            [{key: flat(one) for key, one in row.items()} for row in top_ups], columns=_TOP_UPS, title="Top-ups"
        )
