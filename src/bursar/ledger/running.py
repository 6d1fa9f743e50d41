"""What the ledger process does: owns the index, loads the spools every few seconds, and answers on a socket.

It lives as long as the process that started it: an inherited pipe that reaches its end means that the parent is gone,
however it went. It ignores Ctrl-C, which a terminal sends to the whole group: the gateway is still settling calls then,
and its end ends the ledger after a last load.
"""

import gc
import logging
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from bursar.clock import Clock, SystemClock
from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.engine import Ledger
from bursar.ledger.process import READY
from bursar.ledger.server import LedgerServer

WAIT_FOR_OWNER_S: Final = 10.0
"""How long a new ledger process waits for the one before it to end."""

_NICENESS: Final = 10
"""Loading and reports may wait; calls may not."""

_GC_THRESHOLD: Final = 100_000
"""Rows are many short-lived objects without cycles; collecting every 700 of them doubles the cost of loading."""

_log: Final = logging.getLogger(__name__)


def run_ledger(
    data_dir: Path, settings: Settings, stop_fd: int, *, clock: Clock | None = None, ready_fd: int | None = None
) -> None:
    """Run the ledger until ``stop_fd`` reaches its end or SIGTERM arrives; the main function of its process.

    ``ready_fd`` is told, and closed, once questions are answered. Raises LedgerUnavailable when the ledger cannot be
    opened.
    """
    gc.set_threshold(_GC_THRESHOLD)
    os.nice(_NICENESS)
    stop_reader, stop_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(stop_writer)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Ledger(data_dir, settings, clock=clock or SystemClock(), wait_s=WAIT_FOR_OWNER_S) as ledger:
        server = LedgerServer(ledger.layout.socket, ledger)
        answering = threading.Thread(target=server.serve_forever, name="ledger answers", daemon=True)
        answering.start()
        if ready_fd is not None:
            os.write(ready_fd, READY)
            os.close(ready_fd)
        try:
            _load_until_stopped(ledger, settings.flush_s, (stop_fd, stop_reader))
        finally:
            ledger.layout.socket.unlink(missing_ok=True)
            server.shutdown()
            server.server_close()
        _load_all(ledger)


def _load_until_stopped(ledger: Ledger, flush_s: float, stops: tuple[int, ...]) -> None:
    while not select.select(stops, [], [], flush_s)[0]:
        _load_some(ledger)


def _load_some(ledger: Ledger) -> None:
    """Load what has gathered, and tend.

    One pass at a time, so that a question never waits for a whole backlog; and no further pass for the few rows that
    came meanwhile, or a steady stream of calls would be loaded in crumbs, each a segment, by a processor never at rest.
    """
    with _said():
        while ledger.load(max_passes=1) and ledger.is_behind():
            pass
        while ledger.tend():
            pass


def _load_all(ledger: Ledger) -> None:
    """Load to the end, where no worker writes any more."""
    with _said():
        while ledger.load(max_passes=1):
            pass


@contextmanager
def _said() -> Iterator[None]:
    """A full disk or a failing index is said and tried again next time, for nothing is lost by it."""
    try:
        yield
    except (OSError, LedgerUnavailable, duckdb.Error):
        _log.exception("the ledger could not load; it tries again")
