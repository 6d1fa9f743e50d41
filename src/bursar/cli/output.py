"""Printing rows: aligned tables for people, arrays of flat objects or CSV for scripts.

Money goes out as decimal text in fields that end in `_usd`; unknown is an empty cell, ``null`` in JSON.
"""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Format = Literal["table", "json", "csv"]
Cell = str | int | float | bool | None
Row = Mapping[str, Cell]

_UNBOUNDED: Final = 10_000

_NUMERIC_ENDINGS: Final = (
    "_usd",
    "_tokens",
    "_ms",
    "_percent",
    "requests",
    "attempts",
    "errors",
    "searches",
    "quantity",
)


def print_rows(rows: Sequence[Row], *, columns: Sequence[str], form: Format, title: str | None = None) -> None:
    """Print rows in a format; ``columns`` gives the table's and the CSV's order, JSON keeps every field."""
    if form == "json":
        click.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2))
    elif form == "csv":
        click.echo(_csv(rows, columns), nl=False)
    else:
        print_table(rows, columns=columns, title=title)


def print_object(value: object) -> None:
    """Print one object as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(rows: Iterable[Row], *, columns: Sequence[str], title: str | None = None) -> None:
    """Print an aligned table, as wide as the content needs when it does not go to a terminal."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", title_style="bold")
    for name in columns:
        is_number = name.endswith(_NUMERIC_ENDINGS)
        table.add_column(
            name.removesuffix("_usd").replace("_", " ") + (" $" if name.endswith("_usd") else ""),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    console().print(table)


def console() -> Console:
    """A console on standard output: colour and the terminal's width only where there is a terminal."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(file=sys.stdout, width=_UNBOUNDED, color_system=None, highlight=False)


def notice(message: str) -> None:
    """Tell a person something beside the output, on standard error."""
    click.echo(message, err=True)


def _cell(value: Cell) -> Text:
    match value:
        case None:
            return Text("–", style="dim")
        case bool():
            return Text("yes" if value else "no")
        case int():
            return Text(f"{value:,}")
        case float():
            return Text(f"{value:,.2f}")
        case _:
            return Text(value)


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if row.get(name) is None else row.get(name) for name in columns})
    return out.getvalue()
