"""The loader: moves what workers wrote into segments and the index, each record exactly once.

One pass: read on from where the manifest says; pair; write segments; replace the manifest; append to the index. The
manifest is the commit point. A crash before it leaves orphans and reads the same frames again; a crash after it leaves
an index that is behind, which `reconcile` mends from the segments. A failing disk or index raises, changes
nothing, and the next pass tries again.

Loads fail towards keeping: what cannot be understood is put aside in the quarantine folder and said loudly, never
dropped and never guessed at.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from msgspec import Struct, structs

from bursar.clock import Clock
from bursar.errors import LedgerUnavailable
from bursar.events import Corrected, Settled
from bursar.ledger.batching import Reject, batch_of
from bursar.ledger.files import make_folder, write_whole
from bursar.ledger.frames import OpenAttempt, ReadRecord, Stop
from bursar.ledger.intake import (
    Source,
    Stretch,
    list_sources,
    read_frame_at,
    read_stretch,
    remove_lock,
    unread_bytes,
)
from bursar.ledger.manifest import Damage, SpoolMark
from bursar.ledger.pairing import Place, Waiting, pair
from bursar.ledger.reconcile import catch_up
from bursar.ledger.row import AttemptKey
from bursar.ledger.segments import Segments
from bursar.ledger.store import Store

READ_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of spool read in one pass: about ten thousand attempts, some 60 MB of objects."""

LEAST_READ_BYTES: Final = 64 * 1024
"""Less than this is not worth a read; the next pass takes it."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]")

_log: Final = logging.getLogger(__name__)


class Backlog(Struct, frozen=True):
    """What workers have written and the ledger has not loaded."""

    files: int
    unread_bytes: int
    ended_bytes: int
    """Of these, in files that no worker will write to any more."""
    unreadable: tuple[str, ...]
    """Files of living workers whose next frame cannot be read at the moment."""


class Loader:
    """Loads spools. One owner at a time, from one thread at a time."""

    def __init__(self, segments: Segments, store: Store, *, clock: Clock, read_bytes: int = READ_BYTES) -> None:
        self._segments: Final = segments
        self._store: Final = store
        self._clock: Final = clock
        self._read_bytes: Final = read_bytes
        make_folder(segments.layout.spool)
        self.waiting: Waiting = self._restore_waiting()
        self._unreadable: tuple[str, ...] = ()
        self._is_index_behind = True

    def load(self, *, max_passes: int | None = None) -> int:
        """Load until nothing is left, or for so many passes; returns how many rows were added."""
        if self._is_index_behind:
            self._catch_up()
        added = passes = 0
        is_done = False
        while not is_done and (max_passes is None or passes < max_passes):
            stretches = self._read()
            ended = _ended(stretches)
            is_done = not self._has_news(stretches, ended)
            if not is_done:
                added += self._take(stretches, ended)
            self._tidy(stretches)
            passes += 1
        return added

    def in_flight(self) -> frozenset[AttemptKey]:
        """Attempts that were opened and are not settled."""
        opened = (record for record in self.waiting.values() if isinstance(record, OpenAttempt))
        return frozenset((record.call_id, record.attempt) for record in opened)

    def backlog(self) -> Backlog:
        """How far the ledger is behind the workers."""
        sources = list_sources(self._segments.layout.spool)
        unread = [(source, unread_bytes(source, self._mark(source).offset)) for source in sources]
        return Backlog(
            files=len(sources),
            unread_bytes=sum(size for _, size in unread),
            ended_bytes=sum(size for source, size in unread if source.is_dead),
            unreadable=self._unreadable,
        )

    def _mark(self, source: Source) -> SpoolMark:
        return self._segments.manifest.mark(source.path.name)

    def _read(self) -> list[Stretch]:
        """Read on in all spools: each worker gets its share, and a worker's files are read one after the other.

        So a backlog is loaded in the order of time, which keeps each segment within few days.
        """
        sources = list_sources(self._segments.layout.spool)
        workers = {source.worker for source in sources}
        share = max(self._read_bytes // max(len(workers), 1), LEAST_READ_BYTES)
        left = dict.fromkeys(workers, share)
        stretches = []
        for source in sources:
            offset = self._mark(source).offset
            stretch = read_stretch(
                source, offset, max_bytes=left[source.worker] if left[source.worker] >= LEAST_READ_BYTES else 0
            )
            left[source.worker] -= stretch.end - offset if stretch.is_exhausted else share
            stretches.append(stretch)
        stuck = tuple(
            stretch.source.path.name
            for stretch in stretches
            if stretch.stop is Stop.NEWER or (stretch.stop is Stop.DAMAGED and not stretch.is_broken)
        )
        for name in set(stuck).difference(self._unreadable):
            _log.error("%s cannot be read further at the moment", name)
        self._unreadable = stuck
        return stretches

    def _has_news(self, stretches: Sequence[Stretch], ended: AbstractSet[str]) -> bool:
        if any(stretch.frames or stretch.is_broken for stretch in stretches):
            return True
        return any(place[0] in ended for place, record in self.waiting.items() if isinstance(record, OpenAttempt))

    def _take(self, stretches: Sequence[Stretch], ended: AbstractSet[str]) -> int:
        paired = pair(
            _records(stretches), self.waiting, ended=ended, lookup=self._store.present, now_us=self._clock.now_us()
        )
        batch = batch_of(paired.rows, dropped_before=self._segments.manifest.dropped_before)
        damage = [self._put_rest_aside(stretch) for stretch in stretches if stretch.is_broken]
        damage += [self._put_row_aside(reject) for reject in batch.rejects]
        for row in batch.expired:
            _log.error("attempt %s came after its day had been dropped; it is not kept", row.attempt_key)
        before = self._segments.manifest
        entries = [
            self._segments.write(day, table, number=before.next_segment + position)
            for position, (day, table) in enumerate(batch.tables.items())
        ]
        after = structs.replace(
            before.with_segments(added=tuple(entries)),
            spools=_marks(stretches, paired.waiting),
            duplicates=before.duplicates + paired.duplicates,
            expired=before.expired + len(batch.expired),
            damage=(*before.damage, *damage),
        )
        self._segments.commit(after)
        self.waiting = paired.waiting
        self._is_index_behind = True
        for entry, table in zip(entries, batch.tables.values(), strict=True):
            self._segments.step(f"append segment {entry.name} to the index")
            self._store.append(entry.name, table)
        self._is_index_behind = False
        return sum(entry.rows for entry in entries)

    def _catch_up(self) -> None:
        catch_up(self._segments, self._store)
        self._is_index_behind = False

    def _put_rest_aside(self, stretch: Stretch) -> Damage:
        name = stretch.source.path.name
        rest = stretch.source.path.read_bytes()[stretch.end :]
        reason = "a record was cut short" if stretch.stop is Stop.INCOMPLETE else "a record is damaged"
        return self._put_aside(
            f"{name}@{stretch.end}", rest, f"{name} from byte {stretch.end}, {len(rest)} bytes", reason
        )

    def _put_row_aside(self, reject: Reject) -> Damage:
        row = reject.row
        name = f"{_UNSAFE.sub('_', row.call_id)[:100]}-{row.attempt}-{row.revision}.json"
        content = msgspec.json.encode({"reason": reject.reason, "row": row})
        return self._put_aside(name, content, f"attempt {row.attempt} of call {row.call_id}", reject.reason)

    def _put_aside(self, name: str, content: bytes, what: str, reason: str) -> Damage:
        path = self._segments.layout.quarantine / name
        _log.error("%s: %s; kept as %s", what, reason, path)
        make_folder(path.parent)
        write_whole(path, content, step=self._segments.step)
        return Damage(what, reason, name)

    def _tidy(self, stretches: Sequence[Stretch]) -> None:
        """Delete the files in which nothing is left to read or to wait for, and forget dead workers without files."""
        busy = set()
        for stretch in stretches:
            mark = self._mark(stretch.source)
            if stretch.source.is_final and mark.offset == stretch.size and not mark.held:
                self._segments.step(f"unlink spool {stretch.source.path.name}")
                stretch.source.path.unlink(missing_ok=True)
            else:
                busy.add(stretch.source.worker)
        for worker in {stretch.source.worker for stretch in stretches if stretch.source.is_dead} - busy:
            remove_lock(self._segments.layout.spool, worker)

    def _restore_waiting(self) -> dict[Place, OpenAttempt | Corrected]:
        waiting: dict[Place, OpenAttempt | Corrected] = {}
        for name, mark in self._segments.manifest.spools.items():
            for offset in mark.held:
                frame = read_frame_at(self._segments.layout.spool / name, offset)
                if frame is None or isinstance(frame.record, Settled):
                    raise LedgerUnavailable(f"the record at byte {offset} of {name} is gone; restore the spool folder")
                waiting[name, offset] = frame.record
        return waiting


def _records(stretches: Iterable[Stretch]) -> Iterable[tuple[Place, ReadRecord]]:
    for stretch in stretches:
        name = stretch.source.path.name
        for frame in stretch.frames:
            yield (name, frame.start), frame.record


def _marks(stretches: Sequence[Stretch], waiting: Waiting) -> dict[str, SpoolMark]:
    held: dict[str, list[int]] = {}
    for file, offset in waiting:
        held.setdefault(file, []).append(offset)
    return {
        stretch.source.path.name: SpoolMark(
            offset=stretch.size if stretch.is_broken else stretch.end,
            held=tuple(sorted(held.get(stretch.source.path.name, ()))),
        )
        for stretch in stretches
    }


def _ended(stretches: Sequence[Stretch]) -> set[str]:
    """Files of dead workers all of whose files have been read to the end."""
    unfinished = {stretch.source.worker for stretch in stretches if not stretch.is_exhausted}
    return {
        stretch.source.path.name
        for stretch in stretches
        if stretch.source.is_dead and stretch.source.worker not in unfinished
    }
