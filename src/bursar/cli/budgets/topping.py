"""`bursar budgets topup`."""

from pathlib import Path

import click

from bursar.cli.budgets.book import opened_book
from bursar.cli.options import config_option, pair
from bursar.cli.output import notice
from bursar.control.budgetbook import Grant, top_up_fields


@click.command()
@click.argument("name")
@click.option("--usd", metavar="AMOUNT", help="USD to add.")
@click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="Tokens to add, where the budget counts those.")
@click.option("--for", "account", multiple=True, metavar="DIM=VALUE", help="Only for this account, such as user=ann.")
@click.option("--until", metavar="WHEN", help="When it ends: 12h, 2027-01-01, never.  [default: with the period]")
@click.option("--reason", default="", metavar="TEXT", help="Kept in the audit log.")
@click.option("--cancel", type=click.IntRange(min=1), metavar="ID", help="Take back the top-up of this id instead.")
@config_option
@click.pass_context
def topup(
    context: click.Context,
    /,
    *,
    name: str,
    usd: str | None,
    tokens: int | None,
    account: tuple[str, ...],
    until: str | None,
    reason: str,
    cancel: int | None,
    config_path: Path | None,
) -> None:
    """Add room to the budget NAME, of bursar.toml or made at run time, in its present period.

    \b
    bursar budgets topup search --usd 50 --reason "launch week"
    bursar budgets topup users --tokens 50000 --for user=ann
    """
    named = dict(pair(text, form="DIM=VALUE", option="--for") for text in account)
    with opened_book(context.obj, config_path) as opened:
        if cancel is not None:
            opened.book.cancel(name, cancel, opened.author)
            notice(f"The top-up {cancel} of budget '{name}' was taken back.")
            return
        grant = Grant(usd=usd, tokens=tokens, account=named, until=until, reason=reason)
        added = top_up_fields(opened.book.top_up(name, grant, opened.author))
    amount = f"${added['usd']}" if added["usd"] is not None else f"{added['tokens']:,} tokens"
    lasts = "for good" if added["until"] is None else f"until {added['until']}"
    notice(f"{amount} were added to the budget '{name}' {lasts} (top-up {added['id']}).")
