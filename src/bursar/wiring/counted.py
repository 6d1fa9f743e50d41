"""Since when the counters count, and under which configuration which accounts existed.

A row names the configuration in force at its admission; this says whether its settlement was counted in an account.
Where several workers share counters, which then outlive each of them, it is kept in a file beside them, so that the
worker that takes over seeding does not take what was counted for what was not.
"""

import logging
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bursar.ledger.files import write_whole

log: Final = logging.getLogger("bursar.seeding")

COUNTED_FILE: Final = "counted.json"


class _Kept(Struct):
    began_us: int
    configurations: dict[str, frozenset[str]]


class Counted:
    """Stems of account names by the digest of the configuration that knew them."""

    def __init__(self, began_us: int, path: Path | None = None) -> None:
        """``began_us`` is when the counters were empty; what the file says of counters before them is not read."""
        self._path: Final = path
        self._kept = _read(path, began_us)

    @property
    def began_us(self) -> int:
        """When the counters were empty."""
        return self._kept.began_us

    def add(self, digest: str, stems: AbstractSet[str]) -> None:
        """Under this configuration, from now on, settlements count in these accounts."""
        if self._kept.configurations.get(digest) != stems:
            self._keep(self._kept.began_us, self._kept.configurations | {digest: frozenset(stems)})

    def begin_again(self, at_us: int) -> None:
        """The counters lost what they had counted until then."""
        self._keep(at_us, self._kept.configurations)

    def digests(self, stem: str) -> tuple[str, ...]:
        """Configurations under which attempts were counted in a budget's accounts, sorted."""
        return tuple(sorted(digest for digest, stems in self._kept.configurations.items() if stem in stems))

    def _keep(self, began_us: int, configurations: dict[str, frozenset[str]]) -> None:
        self._kept = _Kept(began_us, configurations)
        if self._path is None:
            return
        try:
            write_whole(self._path, msgspec.json.encode(self._kept))
        except OSError as failed:
            log.error("%s cannot be written (%s); if this worker ends, budgets count too much", self._path, failed)  # noqa: TRY400


def _read(path: Path | None, began_us: int) -> _Kept:
    fresh = _Kept(began_us, {})
    if path is None:
        return fresh
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return fresh
    except (OSError, msgspec.DecodeError) as damaged:
        log.error("%s cannot be read (%s); budgets count too much until their periods end", path, damaged)  # noqa: TRY400
        return fresh
    return kept if kept.began_us >= began_us else fresh
