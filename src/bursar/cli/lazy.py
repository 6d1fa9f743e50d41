"""A command group that imports a command when it is used.

Commands differ in what they need by a second of imports: a report asks a socket, `serve` loads an event loop, a ledger
and a console. So the group knows each command's place and one line about it, and nothing else until it is called.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Lazy(click.Command):
    """A command by its place: what a listing shows of it, until `load` imports the real one."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        """``place`` is ``module:attribute``."""
        super().__init__(name, short_help=summary)
        self._place = place

    def load(self) -> click.Command:
        """Import the real command; raises TypeError when its place holds something else."""
        module, _, attribute = self._place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._place} is no command")
        return command


class LazyGroup(click.Group):
    """A group whose `Lazy` commands are imported when they run or print their own help."""

    def __init__(self, *args: Any, places: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        """``places`` maps a command's name to its ``module:attribute`` and its line in the listing."""
        super().__init__(*args, **kwargs)
        for name, (place, summary) in places.items():
            self.add_command(Lazy(name, place, summary))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command as click does, and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Lazy) else command, rest
