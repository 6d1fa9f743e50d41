"""The keys of a configuration, opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bursar.cli.services import Services
from bursar.control.keybook import KeyBook
from bursar.control.values import Author


class Opened(Struct, frozen=True):
    """What a command works with."""

    book: KeyBook
    author: Author
    now_us: int


@contextmanager
def opened_book(services: Services, config_path: Path | None) -> Iterator[Opened]:
    """All keys of a configuration, and who changes them; raises ConfigError and ControlUnavailable."""
    config, _ = services.config(config_path)
    now_us = services.clock.now_us()
    with services.control(config_path) as control:
        yield Opened(KeyBook(control.keys, config.keys), Author(services.actor(), now_us), now_us)
