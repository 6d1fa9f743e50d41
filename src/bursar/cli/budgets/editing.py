"""`bursar budgets edit`."""

from pathlib import Path
from typing import Final

import click

from bursar.cli.budgets.book import opened_book
from bursar.cli.budgets.terms import stated_terms, terms_options
from bursar.cli.options import config_option
from bursar.cli.output import notice

_INSTEAD: Final = {"limit_usd": "limit_tokens", "limit_tokens": "limit_usd", "period": "window_s"}
"""Terms that take another one away, unless that is given as well."""


@click.command()
@click.argument("name")
@terms_options
@click.option("--enable/--disable", "enabled", default=None, help="A disabled budget counts and limits nothing.")
@click.option("--clear", multiple=True, metavar="TERM", help="Take a term away, such as parent; repeat for more.")
@config_option
@click.pass_context
def edit(
    context: click.Context, /, *, name: str, clear: tuple[str, ...], config_path: Path | None, **options: object
) -> None:
    """Change the budget NAME; what is not given stays as it is.

    Another limit, mode or threshold applies to what was spent already. Where another match, period or measure is given,
    what was spent is counted anew from the ledger.
    """
    stated = stated_terms(options)
    for other, without in _INSTEAD.items():
        if other in stated and stated[other] != "rolling":
            stated.setdefault(without, None)
    terms = {**dict.fromkeys(term.replace("-", "_") for term in clear), **stated}
    if not terms:
        raise click.UsageError("nothing to change was given; see --help for the terms")
    with opened_book(context.obj, config_path) as opened:
        opened.book.change(name, terms, opened.author)
    notice(f"The budget '{name}' was changed. Running gateways see it within seconds.")
