"""Models whose list price a second source disputes, as a stored list.

They still price by the primary source, and rows say so: a dispute is a reason to look, not to stop charging.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bursar.catalog.compiled import prices_dir, write_atomically
from bursar.errors import BursarError

_FILE: Final = "quarantine.json"


class Disputed(Struct, frozen=True, order=True):
    """One model in quarantine."""

    provider: str
    model: str
    fields: tuple[str, ...]
    """What the sources disagree about."""
    found_us: int
    """When the check found it, Unix microseconds."""


def quarantine_path(data_dir: Path) -> Path:
    """Where the list is stored."""
    return prices_dir(data_dir) / _FILE


def read_quarantine(data_dir: Path) -> tuple[Disputed, ...]:
    """The stored list; empty when no check has stored one. Raises BursarError when the file cannot be read."""
    path = quarantine_path(data_dir)
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return msgspec.json.decode(stored, type=tuple[Disputed, ...])
    except msgspec.MsgspecError as broken:
        raise BursarError(f"{path} cannot be read: {broken}; run `bursar prices check` to write it anew") from None


def store_quarantine(data_dir: Path, disputed: Sequence[Disputed]) -> None:
    """Replace the stored list."""
    content = msgspec.json.format(msgspec.json.encode(sorted(disputed)), indent=2)
    write_atomically(quarantine_path(data_dir), content)


def quarantined_models(disputed: Sequence[Disputed]) -> frozenset[tuple[str, str]]:
    """The (provider, model) pairs, as the catalog wants them."""
    return frozenset((one.provider, one.model) for one in disputed)
