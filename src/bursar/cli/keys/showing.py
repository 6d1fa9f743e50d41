"""`bursar keys show`."""

from pathlib import Path

import click
from rich.text import Text

from bursar.cli.keys.book import opened_book
from bursar.cli.keys.rows import COLUMNS, flat_row
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, console, print_object, print_rows
from bursar.control.keybook import key_fields

_WIDTH = 16


@click.command()
@click.argument("name")
@format_option
@config_option
@click.pass_context
def show(context: click.Context, *, name: str, form: Format, config_path: Path | None) -> None:
    """Print who the key NAME charges, what it may do, and its history; deleted keys are still known."""
    with opened_book(context.obj, config_path) as opened:
        key, now_us = opened.book.get(name), opened.now_us
    row = flat_row(key, now_us=now_us)
    if form == "json":
        print_object(key_fields(key, now_us=now_us))
    elif form == "csv":
        print_rows([row], columns=COLUMNS, form=form)
    else:
        out = console()
        for field, value in row.items():
            if value is not None:
                out.print(Text(f"{field.replace('_', ' '):<{_WIDTH}}", style="dim") + Text(str(value)))
