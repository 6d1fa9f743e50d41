"""Durable file operations: a file appears whole or not at all, and stays after the power fails.

Each step that changes the disk is announced to a `Step` callable first, so that tests can die between any two of them.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Step = Callable[[str], None]
"""Called with the name of the step about to be taken; whatever it raises ends the work there."""

TEMPORARY_SUFFIX = ".tmp"


def no_step(_name: str) -> None:
    """The step of production: nothing happens between two operations."""


def write_whole(path: Path, data: bytes, *, step: Step = no_step) -> None:
    """Replace ``path`` atomically: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    step(f"write {path.name}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    step(f"rename {path.name}")
    temporary.replace(path)
    step(f"sync folder of {path.name}")
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, each durably, readable by the owner and the group alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o750)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
