"""The embedded ledger in one object: lock, segments, loader, index, upkeep and answers.

The ledger process and a CLI without one run the same engine. Every question first loads what the spools hold, a bounded
amount of it, so that whoever has just written reads what they wrote.
"""

import logging
import threading
from pathlib import Path
from typing import Final, Self, TypeVar, cast

import duckdb
from msgspec import structs

from bursar.clock import Clock
from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.duckdb_store import DuckDBStore
from bursar.ledger.files import Step, no_step
from bursar.ledger.layout import DAY_US, Layout, day_of
from bursar.ledger.loader import READ_BYTES, Loader
from bursar.ledger.lock import OwnerLock
from bursar.ledger.maintenance import compact, drop_before
from bursar.ledger.questions import (
    Answer,
    AnyQuestion,
    CandidatesQuestion,
    Charges,
    ChargesQuestion,
    ExplainQuestion,
    Explanation,
    Health,
    HealthQuestion,
    Newest,
    NewestQuestion,
    Question,
    ReportQuestion,
    SummaryQuestion,
    VelocitiesQuestion,
)
from bursar.ledger.reconcile import catch_up, is_foreign
from bursar.ledger.segments import Segments
from bursar.ledger.summary import summary_of

PASSES_BEFORE_ANSWER: Final = 4
"""Most loading passes a question waits for: some forty thousand attempts, a second or two."""

_log: Final = logging.getLogger(__name__)

A = TypeVar("A")


class Ledger:
    """The owner of one data directory's ledger. Safe to use from several threads."""

    def __init__(
        self, data_dir: Path, settings: Settings, *, clock: Clock, wait_s: float = 0.0, step: Step = no_step
    ) -> None:
        """Take the lock and open the ledger, rebuilding the index if it must be.

        Raises LedgerUnavailable when another process holds the lock for longer than ``wait_s``, or when the ledger's
        truth is damaged.
        """
        self.layout: Final = Layout(data_dir)
        self._settings: Final = settings
        self._clock: Final = clock
        self._mutex: Final = threading.Lock()
        self._lock: Final = OwnerLock(self.layout.lock, wait_s=wait_s)
        try:
            self._segments: Final = Segments(self.layout, step=step)
            self._store: Final = _open_index(self._segments, settings)
            self._loader: Final = Loader(self._segments, self._store, clock=clock)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def load(self, *, max_passes: int | None = None) -> int:
        """Load what the spools hold; returns how many rows were added."""
        with self._mutex:
            return self._loader.load(max_passes=max_passes)

    def is_behind(self) -> bool:
        """Whether so much is unread that loading on at once is worth a segment; less can wait and be joined by more."""
        with self._mutex:
            return self._loader.backlog().unread_bytes >= READ_BYTES // 2

    def tend(self) -> bool:
        """Do one piece of upkeep: drop expired days, or merge some segments; returns whether there was any to do."""
        now_us = self._clock.now_us()
        with self._mutex:
            days = self._settings.retention_days
            if days is not None and self._drop_before(day_of(now_us - days * DAY_US)):
                return True
            return compact(self._segments, self._store, today=day_of(now_us), segment_rows=self._settings.segment_rows)

    def drop_before(self, day: str) -> int:
        """Drop the rows of all days before ``day`` (``YYYY-MM-DD``, UTC), keeping hourly sums; returns how many."""
        with self._mutex:
            return self._drop_before(day)

    def ask(self, question: Question[A]) -> A:
        """Answer a question about everything that was written before it was asked.

        Raises QuestionError when it cannot be answered as asked and LedgerUnavailable when the disk or the index fails.
        """
        self.load(max_passes=PASSES_BEFORE_ANSWER)
        try:
            return cast(A, self._answer(cast(AnyQuestion, question)))
        except duckdb.Error as failed:
            raise LedgerUnavailable(f"the index {self.layout.index} failed: {failed}") from failed

    def close(self) -> None:
        """Release the index and the lock."""
        with self._mutex:
            self._store.close()
            self._lock.release()

    def _drop_before(self, day: str) -> int:
        if not any(one < day for one in self._segments.manifest.days()):
            return 0
        return drop_before(self._segments, self._store, day)

    def _answer(self, question: AnyQuestion) -> Answer:
        answer: Answer
        match question:
            case ReportQuestion():
                answer = self._store.report(question)
            case ExplainQuestion():
                answer = self._explain(question)
            case NewestQuestion():
                answer = Newest(self._store.newest(question))
            case SummaryQuestion():
                answer = summary_of(self._store, question)
            case CandidatesQuestion():
                answer = self._store.reprice_candidates(question)
            case ChargesQuestion():
                answer = self._charges(question)
            case VelocitiesQuestion():
                return self._store.velocities(question)
            case HealthQuestion():
                answer = self._health()
        return answer

    def _explain(self, question: ExplainQuestion) -> Explanation:
        waiting = self._loader.in_flight()
        attempts = sorted({attempt for call_id, attempt in waiting if call_id == question.call_id})
        return Explanation(self._store.explain(question.call_id), tuple(attempts))

    def _charges(self, question: ChargesQuestion) -> Charges:
        # The backlog is looked at before the rows: what is loaded in between is in the answer as well.
        with self._mutex:
            unread_bytes = self._loader.backlog().ended_bytes
        return structs.replace(self._store.charges(question), unread_bytes=unread_bytes)

    def _health(self) -> Health:
        with self._mutex:
            backlog = self._loader.backlog()
            in_flight = len(self._loader.in_flight())
            waiting = len(self._loader.waiting)
        manifest = self._segments.manifest
        return Health(
            store=self._store.health(),
            segments=len(manifest.segments),
            spool_files=backlog.files,
            unread_bytes=backlog.unread_bytes,
            in_flight=in_flight,
            waiting_corrections=waiting - in_flight,
            duplicates=manifest.duplicates,
            expired=manifest.expired,
            damage=tuple(f"{one.what}: {one.reason}; kept as {one.kept_as}" for one in manifest.damage),
            unreadable=backlog.unreadable,
            dropped_before=manifest.dropped_before,
        )


def _open_index(segments: Segments, settings: Settings) -> DuckDBStore:
    path = segments.layout.index
    store = DuckDBStore.open(path, memory_limit_mb=settings.memory_limit_mb)
    if is_foreign(segments.manifest, store.applied()):
        _log.error("index %s does not belong to these segments; rebuilding it", path)
        store.close()
        DuckDBStore.discard(path)
        store = DuckDBStore.open(path, memory_limit_mb=settings.memory_limit_mb)
    catch_up(segments, store)
    return store
