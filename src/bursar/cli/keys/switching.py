"""`bursar keys disable`, `enable` and `delete`."""

from pathlib import Path

import click

from bursar.cli.keys.book import opened_book
from bursar.cli.options import config_option
from bursar.cli.output import notice


@click.command()
@click.argument("name")
@config_option
@click.pass_context
def disable(context: click.Context, *, name: str, config_path: Path | None) -> None:
    """Refuse the key NAME until it is enabled again."""
    _switch(context, name, config_path, is_enabled=False)


@click.command()
@click.argument("name")
@config_option
@click.pass_context
def enable(context: click.Context, *, name: str, config_path: Path | None) -> None:
    """Let the disabled key NAME in again."""
    _switch(context, name, config_path, is_enabled=True)


@click.command()
@click.argument("name")
@config_option
@click.pass_context
def delete(context: click.Context, *, name: str, config_path: Path | None) -> None:
    """End the key NAME for good.

    It cannot be undone: to stop a key for a while, disable it. Its history stays, and its name is given to no other.
    """
    with opened_book(context.obj, config_path) as opened:
        opened.book.delete(name, opened.author)
    notice(f"The key '{name}' was deleted. Running gateways refuse it within a second.")


def _switch(context: click.Context, name: str, config_path: Path | None, *, is_enabled: bool) -> None:
    with opened_book(context.obj, config_path) as opened:
        opened.book.change(name, {"enabled": is_enabled}, opened.author)
    notice(f"The key '{name}' is {'enabled' if is_enabled else 'disabled'}. Running gateways see it within a second.")
