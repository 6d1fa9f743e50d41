"""Every command's help, as the command prints it."""

from collections.abc import Iterator
from typing import Final

import click

from bursar.cli.lazy import Lazy
from bursar.cli.main import cli

_WIDTH: Final = 100


def commands() -> str:
    """A section for each command that does something, the group's own first."""
    parts = [f"## `{path}`\n\n```text\n{text}\n```" for path, text in helps()]
    return "\n\n".join(parts)


def helps() -> Iterator[tuple[str, str]]:
    """(words to type, help text) of every command, groups before their commands."""
    yield from _helps(cli, "bursar", None)


def _helps(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    real = command.load() if isinstance(command, Lazy) else command
    settings = {**real.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(real, info_name=path.rpartition(" ")[2], parent=parent, **settings)
    yield path, real.get_help(context).strip()
    if isinstance(real, click.Group):
        for name in real.list_commands(context):
            yield from _helps(real.commands[name], f"{path} {name}", context)
