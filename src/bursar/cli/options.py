"""Options that several commands share, and how their texts are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bursar.when import parse_when

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """`--config FILE`, on every command."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Configuration file. Default: ./bursar.toml, or built-in settings where there is none.",
    )(command)


def format_option(command: Command) -> Command:
    """`--format table|json|csv`, on every command that prints rows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help="How to print: a table for people, an array of flat objects, or CSV.",
    )(command)


def moment(text: str, *, now_us: int, option: str) -> int:
    """A point in time as Unix microseconds; raises BadParameter naming the option."""
    try:
        return parse_when(text, now_us=now_us)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint=option) from None


def pair(text: str, *, form: str, option: str) -> tuple[str, str]:
    """``name=value`` as a pair; raises BadParameter naming the option and the ``form`` it should have."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return (name.strip(), value.strip())
