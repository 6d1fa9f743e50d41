"""`bursar keys`: virtual keys on the command line, one file a command.

Commands read and write the control state of the configuration's data folder, whether or not a gateway runs on it; a
running one sees a change within a second.
"""

import click

from bursar.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    places={
        "create": ("bursar.cli.keys.creating:create", "Make a key and print its secret, once."),
        "list": ("bursar.cli.keys.listing:list_keys", "All keys, one line each."),
        "show": ("bursar.cli.keys.showing:show", "Everything about one key but its secret."),
        "rotate": ("bursar.cli.keys.rotating:rotate", "Give a key a new secret; the old one ends later."),
        "disable": ("bursar.cli.keys.switching:disable", "Refuse a key until it is enabled again."),
        "enable": ("bursar.cli.keys.switching:enable", "Let a disabled key in again."),
        "delete": ("bursar.cli.keys.switching:delete", "End a key for good; its name stays taken."),
    },
)
def keys() -> None:
    """Make, look at, rotate and end virtual keys.

    Keys of bursar.toml are listed beside those made here, and changed in the file alone.
    """
