"""``python -m bursar.wiring.reference FOLDER [--check]``: write the reference pages, or name the stale ones."""

import sys
from pathlib import Path

import click

from bursar.wiring.reference.pages import rendered


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with the names of pages that are out of date.")
def reference(*, folder: Path, check: bool) -> None:
    """Bring the generated parts of the pages in FOLDER up to date."""
    stale = [path for path, text in rendered(folder).items() if not path.exists() or path.read_text("utf-8") != text]
    if not check:
        for path, text in rendered(folder).items():
            path.write_text(text, encoding="utf-8")
        return
    for path in stale:
        click.echo(f"{path} is out of date; run `make docs`", err=True)
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    reference()
