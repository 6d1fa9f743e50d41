"""`bursar budgets delete`."""

from pathlib import Path

import click

from bursar.cli.budgets.book import opened_book
from bursar.cli.options import config_option
from bursar.cli.output import notice


@click.command()
@click.argument("name")
@config_option
@click.pass_context
def delete(context: click.Context, *, name: str, config_path: Path | None) -> None:
    """Remove the budget NAME. What was spent stays in the ledger, and the audit log keeps its terms."""
    with opened_book(context.obj, config_path) as opened:
        opened.book.delete(name, opened.author)
    notice(f"The budget '{name}' was deleted. Running gateways limit nothing by it within a second.")
