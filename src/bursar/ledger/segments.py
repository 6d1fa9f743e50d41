"""Segments: the ledger's truth, immutable Parquet files of rows, one folder a day.

`Segments` owns the folder and the manifest. A segment is written whole and synced first, and becomes part of the ledger
only when `Segments.commit` replaces the manifest. What a crash leaves between the two is an orphan, removed at the next
start.
"""

import hashlib
import logging
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from bursar.errors import LedgerUnavailable
from bursar.ledger.columns import SCHEMA
from bursar.ledger.files import Step, make_folder, no_step, write_whole
from bursar.ledger.layout import Layout
from bursar.ledger.manifest import Manifest, SegmentEntry, commit_manifest, load_manifest

_COMPRESSION: Final = "zstd"

_log: Final = logging.getLogger(__name__)


class Segments:
    """The live segments and their manifest. One owner at a time, from one thread at a time."""

    def __init__(self, layout: Layout, *, step: Step = no_step) -> None:
        self.layout: Final = layout
        self.step: Final = step
        self.manifest = load_manifest(layout)
        if not layout.manifest.exists():
            make_folder(layout.data_dir)
            self.commit(self.manifest)
        self._remove_orphans()

    def commit(self, manifest: Manifest) -> None:
        """Make a manifest the current one; the segments it names must have been written."""
        commit_manifest(self.layout, manifest, step=self.step)
        self.manifest = manifest

    def write(self, day: str, table: pa.Table, *, number: int, replaces: tuple[str, ...] = ()) -> SegmentEntry:
        """Write one segment durably; it is not live until a manifest with the returned entry is committed.

        Its name ends in a hash of its content, so that an index of another history never takes it for its own.
        """
        content = parquet_bytes(table)
        name = f"{number:09d}-{hashlib.blake2b(content, digest_size=6).hexdigest()}"
        entry = SegmentEntry(name=name, day=day, rows=table.num_rows, replaces=replaces)
        path = self.layout.segment(day, entry.name)
        make_folder(path.parent)
        write_whole(path, content, step=self.step)
        return entry

    def read(self, entry: SegmentEntry) -> pa.Table:
        """The rows of a live segment, in the present schema.

        Raises LedgerUnavailable when the file is missing or damaged.
        """
        return _conform(read_parquet(self.layout.segment(entry.day, entry.name)), SCHEMA)

    def read_sums(self, day: str) -> pa.Table:
        """The kept hourly sums of a dropped day; raises LedgerUnavailable when they are missing or damaged."""
        return read_parquet(self.layout.rollup(day))

    def unlink(self, entry: SegmentEntry) -> None:
        """Remove the file of a segment that is no longer live."""
        self.step(f"unlink segment {entry.name}")
        path = self.layout.segment(entry.day, entry.name)
        path.unlink(missing_ok=True)
        if not any(segment.day == entry.day for segment in self.manifest.segments) and _is_empty(path.parent):
            path.parent.rmdir()

    def _remove_orphans(self) -> None:
        live = {self.layout.segment(entry.day, entry.name) for entry in self.manifest.segments}
        live |= {self.layout.rollup(entry.day) for entry in self.manifest.dropped}
        for folder in (self.layout.segments, self.layout.rollups):
            for path in folder.rglob("*"):
                if path.is_file() and path not in live:
                    _log.warning("removing %s: it was never committed or is no longer part of the ledger", path)
                    path.unlink()
        for path in self.layout.segments.glob("*"):
            if _is_empty(path):
                path.rmdir()


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=_COMPRESSION)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_parquet(path: Path) -> pa.Table:
    """One Parquet file that the manifest names; raises LedgerUnavailable when it is missing or damaged."""
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as broken:
        raise LedgerUnavailable(f"{path} cannot be read ({broken}); restore it from a backup") from None


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Add, as nulls, the columns that did not exist when a file was written."""
    arrays = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(
        [pa.chunked_array(one) if isinstance(one, pa.Array) else one for one in arrays], schema=schema
    )


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None
