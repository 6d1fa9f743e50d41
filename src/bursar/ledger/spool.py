"""A worker's spool: the one place where a fact becomes durable, one `write` a record.

Model: each process that states facts owns a spool of its own, so no lock is shared between workers. Its files are
``<worker>.<sequence>.spool``; ``<worker>.lock`` is flocked for the worker's life, so that the loader can tell a living
worker from a dead one without asking. A record survives the process as soon as `Spool.append` returns, and a power cut
within a twentieth of a second (group commit: one fdatasync for all that was written meanwhile).

Fails closed before the money is spent, and loses nothing after: when the disk refuses, an `Opened` record raises
LedgerUnavailable, so the gateway refuses the call; a `Settled` or `Corrected` one is kept in memory, in order, and is
tried again until it fits. A refusal cost nothing, so refusals are kept only up to `REFUSALS_KEPT_BYTES`.
"""

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from bursar.errors import LedgerUnavailable
from bursar.events import Opened, Outcome, Record, Settled
from bursar.ledger.files import make_folder, sync_folder
from bursar.ledger.frames import encode

SYNC_INTERVAL_S: Final = 0.05
"""Least time between two fdatasyncs; one takes 0.2-5 ms on ordinary disks, so this bounds both loss and load. At 200
calls a second every call paid for a sync of its own when this was 5 ms."""

RETRY_INTERVAL_S: Final = 0.5
"""How long a full disk is left alone before held records are tried again."""

REFUSALS_KEPT_BYTES: Final = 16 * 1024 * 1024

SPOOL_SUFFIX: Final = ".spool"
LOCK_SUFFIX: Final = ".lock"

_log: Final = logging.getLogger(__name__)

Write = Callable[[int, bytes], int]
"""`os.write`, or a test's disk that fills up."""


class Spool:
    """An append-only log of one worker's records. Safe to use from several threads.

    ``label`` says what kind of worker this is (``gateway``, ``cli``); a random suffix makes the worker's name unique,
    so that no file name is ever used twice.
    """

    def __init__(self, directory: Path, label: str, *, max_bytes: int, write: Write = os.write) -> None:
        if not label or not all(part.isalnum() for part in label.split("-")):
            raise ValueError(f"spool label {label!r} must be words of letters and digits joined by '-'")
        make_folder(directory)
        self.worker: Final = f"{label}-{os.urandom(6).hex()}"
        self._directory: Final = directory
        self._max_bytes: Final = max_bytes
        self._write: Final = write
        self._mutex: Final = threading.Lock()
        self._held: Final[deque[bytes]] = deque()
        self._held_bytes = 0
        self._retired: Final[deque[int]] = deque()
        self._lock_descriptor: Final = self._take_lock()
        self._sequence = 0
        self._descriptor = self._next_file()
        self._size = 0
        self._is_torn = False
        self._is_refusing = False
        self._is_dirty = False
        self._wake: Final = threading.Event()
        self._stop: Final = threading.Event()
        self._syncer: Final = threading.Thread(target=self._sync_loop, name=f"spool {self.worker}", daemon=True)
        self._syncer.start()

    @property
    def pending(self) -> int:
        """Records held in memory because the disk refuses them; more than 0 means trouble."""
        return len(self._held)

    def append(self, record: Record) -> None:
        """Make one record durable.

        Raises LedgerUnavailable when the disk refuses an `Opened` record (nothing is kept of it), or when too many
        refusals are already held. Any other record is held and tried again; the caller need do nothing.
        """
        frame = encode(record)
        with self._mutex:
            if not self._held and self._put(frame):
                return
            if _may_be_given_up(record, self._held_bytes):
                if self._drain() and self._put(frame):
                    return
                raise LedgerUnavailable(
                    f"the spool {self._directory} cannot be written ({len(self._held)} settled records wait in memory);"
                    " free space on its disk"
                )
            self._held.append(frame)
            self._held_bytes += len(frame)
            self._drain()
        self._wake.set()

    def close(self) -> None:
        """Write what is held, sync and release the lock; the loader may then finish this worker's files.

        Raises LedgerUnavailable when records are still held that the disk refuses.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        self._syncer.join()
        with self._mutex:
            self._drain()
            self._sync()
            os.close(self._descriptor)
            os.close(self._lock_descriptor)
        if self._held:
            raise LedgerUnavailable(f"{len(self._held)} settled records could not be written to {self._directory}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _take_lock(self) -> int:
        """Create the lock file already locked: under another name first, lest the loader see it free for an instant."""
        path = self._directory / f"{self.worker}{LOCK_SUFFIX}"
        hidden = path.with_name(f".{path.name}")
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
        return descriptor

    def _next_file(self) -> int:
        self._sequence += 1
        path = self._directory / f"{self.worker}.{self._sequence:06d}{SPOOL_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        sync_folder(self._directory)
        return descriptor

    def _put(self, frame: bytes) -> bool:
        """Append one frame whole, or leave the file as it was."""
        is_full = self._size > 0 and self._size + len(frame) > self._max_bytes
        if (self._is_torn or is_full) and not self._rotate():
            return False
        try:
            written = self._write(self._descriptor, frame)
        except OSError as refused:
            self._refuse(f"{refused.strerror}")
            return False
        if written != len(frame):
            self._refuse(f"only {written} of {len(frame)} bytes fitted")
            return False
        self._size += written
        self._is_refusing = False
        if not self._is_dirty:
            self._is_dirty = True
            self._wake.set()
        return True

    def _refuse(self, why: str) -> None:
        """Undo a partial write; said once, until the disk takes a record again."""
        if not self._is_refusing:
            _log.error("spool %s cannot write: %s; settled records are held in memory", self.worker, why)
        self._is_refusing = True
        try:
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)
        except OSError as failed:
            self._is_torn = True
            _log.error("spool %s keeps a torn end: %s; the next record starts a new file", self.worker, failed.strerror)

    def _rotate(self) -> bool:
        try:
            descriptor = self._next_file()
        except OSError as refused:
            self._refuse(f"no new file can be started: {refused.strerror}")
            return False
        self._retired.append(self._descriptor)
        self._descriptor = descriptor
        self._size = 0
        self._is_torn = False
        return True

    def _drain(self) -> bool:
        while self._held:
            if not self._put(self._held[0]):
                return False
            self._held_bytes -= len(self._held.popleft())
        return True

    def _sync_loop(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(RETRY_INTERVAL_S if self._held else None)
            self._wake.clear()
            if self._held:
                with self._mutex:
                    self._drain()
            self._sync()
            self._stop.wait(RETRY_INTERVAL_S if self._held else SYNC_INTERVAL_S)

    def _sync(self) -> None:
        while self._retired:
            descriptor = self._retired.popleft()
            self._sync_one(descriptor)
            os.close(descriptor)
        if self._is_dirty:
            self._is_dirty = False
            self._sync_one(self._descriptor)

    def _sync_one(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as failed:
            _log.error("spool %s could not be synced: %s", self.worker, failed.strerror)


def _may_be_given_up(record: Record, held_bytes: int) -> bool:
    if isinstance(record, Opened):
        return True
    return isinstance(record, Settled) and record.outcome is Outcome.REFUSED and held_bytes > REFUSALS_KEPT_BYTES
