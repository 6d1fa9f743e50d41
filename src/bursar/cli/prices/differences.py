"""`bursar prices diff`: what one catalog charges that another does not."""

from pathlib import Path

import click

from bursar.catalog.bundle import read_bundle
from bursar.catalog.compiled import find_snapshot, prices_dir, read_sheet, snapshot_before
from bursar.catalog.diff import Difference, diff_sheets
from bursar.catalog.rows import iso
from bursar.catalog.sheet import Sheet
from bursar.cli.options import config_option, format_option
from bursar.cli.output import Format, notice, print_rows
from bursar.cli.services import Services
from bursar.errors import BursarError

_COLUMNS = ("change", "provider", "model", "conditions", "valid_from", "what", "old_usd", "new_usd", "old_at", "new_at")

_DATE = "valid_to_us"


@click.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@format_option
@config_option
@click.pass_context
def diff(context: click.Context, *, old: str | None, new: str | None, form: Format, config_path: Path | None) -> None:
    """Print which prices were added, removed and changed from OLD to NEW.

    Both are a catalog digest, as rows carry it, or a file: a stored catalog (*.cards) or a price bundle (*.json).
    Without NEW the catalog in force; without OLD the one that was stored last before it.
    """
    services: Services = context.obj
    catalog = services.catalog(config_path)
    _, data_dir = services.config(config_path)
    if old is None:
        old = snapshot_before(data_dir, catalog.digest)
    if old is None:
        notice(f"There is no earlier catalog in {prices_dir(data_dir)} to compare {catalog.digest} with.")
        context.exit(1)
    before = _sheet(data_dir, old)
    after = catalog.sheet if new is None else _sheet(data_dir, new)
    lines = diff_sheets(before, after)
    if lines or form != "table":
        print_rows([_row(line) for line in lines], columns=_COLUMNS, form=form)
    notice(f"{len(lines)} differences from {old} to {new or catalog.digest}.")


def _sheet(data_dir: Path, name: str) -> Sheet:
    """The catalog that a digest or a file stands for; raises BursarError when there is none."""
    path = Path(name)
    if path.is_file():
        if path.suffix == ".json":
            return read_bundle(path.read_bytes(), known_at_us=0)
        return read_sheet(path)
    found = find_snapshot(data_dir, name) if path.name == name else None
    if found is None:
        raise BursarError(f"'{name}' is neither a file nor the digest of a catalog in {prices_dir(data_dir)}")
    return found


def _row(line: Difference) -> dict[str, str | None]:
    is_date = line.what == _DATE
    return {
        "change": line.change,
        "provider": line.provider,
        "model": line.model,
        "conditions": line.conditions,
        "valid_from": iso(line.valid_from_us),
        "what": "valid_to" if is_date else line.what,
        "old_usd": None if is_date else line.old,
        "new_usd": None if is_date else line.new,
        "old_at": _instant(line.old) if is_date else None,
        "new_at": _instant(line.new) if is_date else None,
    }


def _instant(text: str | None) -> str | None:
    return None if text is None else iso(int(text))
