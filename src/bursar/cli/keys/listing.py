"""`bursar keys list`."""

from pathlib import Path
from typing import Final

import click

from bursar.cli.keys.book import opened_book
from bursar.cli.keys.rows import COLUMNS, flat_row
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows

_TABLE: Final = (
    "name",
    "state",
    "source",
    "organisation",
    "team",
    "project",
    "models",
    "expires_at",
    "last4",
    "made_by",
)


@click.command("list")
@click.option("--deleted", is_flag=True, help="Deleted keys as well.")
@format_option
@config_option
@click.pass_context
def list_keys(context: click.Context, *, deleted: bool, form: Format, config_path: Path | None) -> None:
    """Print all keys by name: those made at run time, and those of bursar.toml (source: file).

    last4 are the last characters of a key, by which people recognise it. JSON and CSV have every field.
    """
    with opened_book(context.obj, config_path) as opened:
        rows = [flat_row(key, now_us=opened.now_us) for key in opened.book.every(with_deleted=deleted)]
        if opened.book.is_empty():
            notice("No key was ever made: anybody on this machine may call. Make one with `bursar keys create`.")
    print_rows(rows, columns=_TABLE if form == "table" else COLUMNS, form=form)
