"""Printing a new secret, which is the only time that anybody sees it."""

import click

from bursar.cli.keys.rows import COLUMNS, flat_row
from bursar.cli.output import Format, notice, print_rows
from bursar.control.keybook import Issued


def print_secret(issued: Issued, *, form: Format, now_us: int) -> None:
    """Print a secret alone, so that a script can take it, or the key's row with it."""
    notice("This is the only time that the key is shown; only its hash is kept.")
    if form == "table":
        click.echo(issued.secret)
        return
    row = {**flat_row(issued.record, now_us=now_us), "secret": issued.secret}
    print_rows([row], columns=(*COLUMNS, "secret"), form=form)
