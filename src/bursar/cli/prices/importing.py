"""`bursar prices import`: take over a price bundle."""

from pathlib import Path

import click

from bursar.catalog.bundle import import_bundle
from bursar.catalog.diff import diff_sheets
from bursar.catalog.rows import iso
from bursar.cli.options import config_option
from bursar.cli.services import Services


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--digest", metavar="SHA256", help="Refuse the bundle unless its content hashes to this.")
@config_option
@click.pass_obj
def import_prices(services: Services, *, file: Path, digest: str | None, config_path: Path | None) -> None:
    """Add the cards of FILE, a price bundle, above the list prices; your own [[prices]] stay above both.

    A bundle whose content does not match its digest is refused. Importing a bundle twice changes nothing. A running
    gateway takes the prices up when its configuration is next reloaded; `bursar prices reprice` applies them to the
    past.
    """
    before = services.catalog(config_path)
    _, data_dir = services.config(config_path)
    sheet = import_bundle(data_dir, file.read_bytes(), now_us=services.clock.now_us(), expected=digest)
    after = services.catalog(config_path)
    changes = len(diff_sheets(before.sheet, after.sheet))
    known = min((card.known_at_us for card in sheet.cards), default=sheet.known_at_us)
    click.echo(
        f"{len(sheet.cards)} cards and {len(sheet.models)} names, known since {iso(known)}: {changes} prices differ "
        f"now. The catalog is {after.digest}; it was {before.digest}."
    )
    if changes:
        click.echo(f"See them with: bursar prices diff {before.digest} {after.digest}")
