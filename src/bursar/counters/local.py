"""Counters that the workers of one machine share: a SQLite file, one short transaction for each operation.

The file is a projection of the ledger and is rebuilt at each start, so nothing is synced to disk. Whoever is killed in
the middle of a transaction leaves the file as it was before. A worker waits some 50 ms at most for others, then the
counters are unavailable to it (each gate decides what that means) and it does not wait again until they answer.
Settlements that find no room in that time are kept and counted with the next operation.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from bursar.counters import local_book
from bursar.counters.backlog import Backlog
from bursar.counters.protocol import Balance, Spot
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account, Hold, Verdict

_PAUSES_S: Final = (0.00005,) * 40 + (0.00025,) * 140
"""Between attempts at the write lock, which a transaction holds for some 0.1 ms; SQLite's own first wait is 1 ms."""

_MOST_ROUNDS: Final = 4
"""How often all these pauses are waited for while others write: a crowd, not a store that hangs."""

_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = OFF", "temp_store = MEMORY", "wal_autocheckpoint = 250")

_PRIMARY_CODE: Final = 0xFF
"""An extended result code without what extends it (sqlite.org/rescode.html, read 2026-11)."""

_LATE_AT_ONCE: Final = 200
_SWEEP_ACCOUNTS: Final = 2_000
_SWEEP_EVERY_US: Final = 60_000_000
_SEEDS_AT_ONCE: Final = 2_000
"""Portions that hold the write lock for some milliseconds."""

T = TypeVar("T")


def open_local(path: Path, *, worker: str, lease_us: int, fresh: bool) -> "LocalCounters":
    """A worker's access to the counters of its machine; ``worker`` names this process and no other one, ever.

    ``fresh`` begins to count anew and is for whoever starts the workers, before any of them; the others need the file
    to be there. Raises CountersUnavailable.
    """
    try:
        if fresh:
            _begin_anew(path)
        return LocalCounters(_connect(path), worker, lease_us=lease_us)
    except sqlite3.Error as problem:
        raise CountersUnavailable(f"the counters in {path} cannot be opened: {problem}") from problem


class LocalCounters:
    """One worker's connection."""

    def __init__(self, db: sqlite3.Connection, worker: str, *, lease_us: int) -> None:
        self._db = db
        self._worker = worker
        self._lease_us = lease_us
        self._backlog = Backlog()
        self._holds: set[str] = set()
        """Ids of what was granted to this worker and is not settled yet."""
        self._swept_us = 0
        self._sweep_at: tuple[str, int] | None = None
        self._hangs = False
        """Whether the write lock was last seen in hands that do nothing with it."""
        self.trouble: str | None = None

    def reserve(self, hold: Hold) -> Verdict:
        """Hold every amount or none."""
        verdict = self._write(lambda db: local_book.reserve(db, hold, worker=self._worker, lease_us=self._lease_us))
        if verdict.is_granted:
            self._holds.add(hold.id)
        return verdict

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Replace a hold by what was really used, now or as soon as the file can be written."""
        self._backlog.add(hold, amounts, is_held=hold.id in self._holds)
        self._holds.discard(hold.id)
        self._try(_nothing)

    def balances(self, accounts: Collection[Account], *, at_us: int) -> Sequence[Balance]:
        """How accounts stand; reads beside whoever writes."""
        try:
            self._db.execute("BEGIN")
            try:
                return local_book.balances(self._db, tuple(accounts), at_us=at_us)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise self._failed(problem) from problem

    def seed(self, spent: Mapping[Spot, int]) -> None:
        """State what calls from before the counting began have spent."""
        before = self._write(local_book.seeded)
        for portion in _portions(spent, before):
            self._write(partial(local_book.seed, spots=portion))

    def beat(self, *, at_us: int) -> None:
        """Say that this worker lives; return what dead ones held; forget accounts that nobody uses any more."""
        self._try(lambda db: local_book.beat(db, self._worker, at_us=at_us, lease_us=self._lease_us))
        self._try(lambda db: self._sweep(db, at_us))

    def close(self) -> None:
        """Count what is late, return everything this worker holds, and let go of the file."""
        while self._backlog and self._try(_nothing):
            pass
        self._try(lambda db: local_book.bury(db, self._worker))
        self._db.close()

    def _sweep(self, db: sqlite3.Connection, at_us: int) -> None:
        if self._sweep_at is None:
            if at_us - self._swept_us <= _SWEEP_EVERY_US:
                return
            self._swept_us, self._sweep_at = at_us, ("", -1)
        self._sweep_at = local_book.forget_idle(db, after=self._sweep_at, most=_SWEEP_ACCOUNTS, at_us=at_us)

    def _try(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Write, if that is possible now; `trouble` says why not."""
        try:
            self._write(work)
        except CountersUnavailable:
            return False
        return True

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction, after the settlements that are late; raises CountersUnavailable."""
        late = self._backlog.take(_LATE_AT_ONCE)
        is_done = False
        try:
            self._begin()
            for one in late:
                local_book.settle(self._db, one.hold, one.amounts)
            result = work(self._db)
            self._db.execute("COMMIT")
            is_done = True
        except sqlite3.Error as problem:
            raise self._failed(problem) from problem
        finally:
            if not is_done:
                self._backlog.put_back(late)
                self._roll_back()
        self.trouble = None
        return result

    def _begin(self) -> None:
        """Get the write lock, waiting for others in moderation."""
        if self._has_begun():
            self._hangs = False
            return
        version = self._version()
        for _ in () if self._hangs else range(_MOST_ROUNDS):
            for pause_s in _PAUSES_S:
                time.sleep(pause_s)
                if self._has_begun():
                    return
            before, version = version, self._version()
            if before == version:
                self._hangs = True
                break
        self._db.execute("BEGIN IMMEDIATE")

    def _version(self) -> object:
        """Changes with what others write: while it does, the lock goes round, and our turn will come."""
        return self._db.execute("PRAGMA data_version").fetchone()

    def _has_begun(self) -> bool:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _failed(self, problem: sqlite3.Error) -> CountersUnavailable:
        self.trouble = f"the counters' file cannot be used: {problem}"
        return CountersUnavailable(self.trouble)


def _portions(spent: Mapping[Spot, int], before: Iterable[Spot]) -> Iterator[list[tuple[Spot, int]]]:
    """What to state: the spots named, and 0 for those that were named before and are not any more."""
    stated = [*spent.items(), *((spot, 0) for spot in before if spot not in spent)]
    for start in range(0, len(stated), _SEEDS_AT_ONCE):
        yield stated[start : start + _SEEDS_AT_ONCE]


def _nothing(db: sqlite3.Connection) -> None:
    """Only what is late."""


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing file."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0)
    for pragma in _PRAGMAS:
        db.execute(f"PRAGMA {pragma}")
    db.execute("SELECT 1 FROM account, part, hold, worker, seed LIMIT 1")
    return db


def _begin_anew(path: Path) -> None:
    """Empty the tables, or make the file where there is none or what is there is no database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _make_empty(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # Not synced, so a power failure may have torn it; nobody survived that who still has it open.
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        _make_empty(path)


def _make_empty(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN IMMEDIATE")
        for statement in local_book.SCHEMA.split(";"):
            db.execute(statement)
        for table in local_book.TABLES:
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - a closed set of names
        db.execute("COMMIT")
    finally:
        db.close()
