"""`bursar prices check`: a second price source beside ours, and the quarantine of what they disagree about."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from bursar.catalog.check import Comparison, compare, disputed_models
from bursar.catalog.litellm_map import read_map
from bursar.catalog.quarantine import quarantine_path, store_quarantine
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows
from bursar.cli.services import Services

_COLUMNS = ("provider", "model", "field", "ours_usd", "theirs_usd", "ratio", "name")

_COUNTED = (
    ("agrees", "figures agree"),
    ("differs", "figures differ"),
    ("missing_here", "are missing in our catalog"),
    ("missing_there", "models are missing in the file"),
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Exit 1 when any figure differs.")
@click.option("--dry-run", is_flag=True, help="Compare only; leave the quarantine list as it is.")
@format_option
@config_option
@click.pass_context
def check(
    context: click.Context, *, file: Path, strict: bool, dry_run: bool, form: Format, config_path: Path | None
) -> None:
    """Compare the catalog with FILE, a JSON price map in LiteLLM's format, and print every figure that differs.

    Models with a difference go into quarantine: they keep their price, and rows that are charged by it say that it is
    disputed. A running gateway takes the list up when its configuration is next reloaded.
    """
    services: Services = context.obj
    catalog = services.catalog(config_path)
    now_us = services.clock.now_us()
    lines = compare(catalog, read_map(file.read_bytes()), at_us=now_us)
    differing = [line for line in lines if line.finding == "differs"]
    if differing or form != "table":
        print_rows([_row(line) for line in differing], columns=_COLUMNS, form=form)
    _say_counts(lines)
    disputed = disputed_models(lines, now_us=now_us)
    if not dry_run:
        _, data_dir = services.config(config_path)
        store_quarantine(data_dir, disputed)
        notice(f"{len(disputed)} models are in quarantine; the list is {quarantine_path(data_dir)}.")
    if strict and differing:
        context.exit(1)


def _row(line: Comparison) -> dict[str, str | None]:
    return {name: getattr(line, name) for name in _COLUMNS}


def _say_counts(lines: Sequence[Comparison]) -> None:
    counts = Counter[str](line.finding for line in lines)
    notice("; ".join(f"{counts[finding]:,} {words}" for finding, words in _COUNTED) + ".")
