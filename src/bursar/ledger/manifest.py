"""The manifest: the ledger's commit point, replaced atomically.

What the manifest names exists; what it does not name does not, whatever lies on the disk. One replacement moves the
spool offsets forward *and* makes the rows read there live, so a record lands exactly once however the process dies.
"""

from typing import Final

import msgspec
from msgspec import Struct, structs

from bursar.errors import LedgerUnavailable
from bursar.ledger.files import Step, no_step, write_whole
from bursar.ledger.layout import Layout

MANIFEST_VERSION: Final = 1


class SegmentEntry(Struct, frozen=True):
    """One live segment."""

    name: str
    day: str
    """UTC day of its rows, ``YYYY-MM-DD``."""
    rows: int
    replaces: tuple[str, ...] = ()
    """Names of the segments whose rows it holds now, for an index that still knows those."""


class DroppedDay(Struct, frozen=True):
    """A day whose rows are gone and whose hourly sums are kept."""

    day: str
    replaces: tuple[str, ...] = ()
    """Names of the segments that held its rows, for an index that still knows those."""


class SpoolMark(Struct, frozen=True):
    """How far a spool file has been read."""

    offset: int = 0
    """Every frame before it has been taken, except those in ``held``."""
    held: tuple[int, ...] = ()
    """Offsets of frames that still wait: an attempt not yet settled, a correction whose row has not been seen."""


class Damage(Struct, frozen=True):
    """What could not be understood and was put aside."""

    what: str
    """The spool file and offset, or the attempt."""
    reason: str
    kept_as: str
    """Name in the quarantine folder."""


class Manifest(Struct, frozen=True):
    """One state of the ledger."""

    version: int = MANIFEST_VERSION
    next_segment: int = 1
    segments: tuple[SegmentEntry, ...] = ()
    spools: dict[str, SpoolMark] = {}
    dropped: tuple[DroppedDay, ...] = ()
    """Days whose rows were dropped and whose hourly sums are kept."""
    dropped_before: str = ""
    """Rows of earlier days are no longer taken; empty when none were ever dropped."""
    duplicates: int = 0
    """Records that were already in the ledger, counted over its life."""
    expired: int = 0
    """Records that arrived after their day had been dropped."""
    damage: tuple[Damage, ...] = ()

    def mark(self, file: str) -> SpoolMark:
        """How far a spool file has been read."""
        return self.spools.get(file, SpoolMark())

    def days(self) -> list[str]:
        """Days that have rows, in order."""
        return sorted({segment.day for segment in self.segments})

    def with_segments(self, *, added: tuple[SegmentEntry, ...], removed: frozenset[str] = frozenset()) -> "Manifest":
        """The manifest after some segments came and others went."""
        kept = tuple(segment for segment in self.segments if segment.name not in removed)
        return structs.replace(self, segments=kept + added, next_segment=self.next_segment + len(added))


def load_manifest(layout: Layout) -> Manifest:
    """The last committed manifest, or an empty one for a new ledger.

    Raises LedgerUnavailable when it cannot be understood: to guess here could count every row twice.
    """
    try:
        data = layout.manifest.read_bytes()
    except FileNotFoundError:
        return _first_manifest(layout)
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as broken:
        raise LedgerUnavailable(f"{layout.manifest} is damaged ({broken}); restore it from a backup") from None
    if manifest.version > MANIFEST_VERSION:
        raise LedgerUnavailable(
            f"{layout.manifest} has version {manifest.version}, this program knows {MANIFEST_VERSION}; upgrade it"
        )
    return manifest


def commit_manifest(layout: Layout, manifest: Manifest, *, step: Step = no_step) -> None:
    """Make a manifest the current one, durably."""
    write_whole(layout.manifest, msgspec.json.encode(manifest), step=step)


def _first_manifest(layout: Layout) -> Manifest:
    if next(layout.segments.glob("*/*.parquet"), None) is not None:
        raise LedgerUnavailable(
            f"{layout.segments} holds segments and {layout.manifest} is missing; restore it from a backup"
        )
    return Manifest()
