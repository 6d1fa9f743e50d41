"""Keeps the ledger process alive: starts it, notices when it dies, starts it again.

A thread of its own, because starting may take a minute (an index that is rebuilt) and calls do not wait for it: they
only need the spool, which the ledger catches up with later.
"""

import logging
import threading
from pathlib import Path
from typing import Final

from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.process import STOP_TIMEOUT_S, LedgerProcess

log = logging.getLogger("bursar.ledger")

POLL_S: Final = 0.5

RETRY_S: Final = 5.0
"""How long to wait before a ledger that failed to start is tried again."""


class LedgerKeeper:
    """Owns one ledger process after another until it is stopped."""

    def __init__(self, data_dir: Path, settings: Settings) -> None:
        self._data_dir: Final = data_dir
        self._settings: Final = settings
        self._stop: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._keep, name="ledger keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the ledger load what is left and end. Close the spools first, so that it can finish their files."""
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S + 2 * POLL_S)

    def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                process = LedgerProcess(self._data_dir, self._settings)
            except LedgerUnavailable as failed:
                log.error("%s; calls go on and are spooled, trying again in %g s", failed, RETRY_S)  # noqa: TRY400
                self._stop.wait(RETRY_S)
                continue
            while process.is_alive() and not self._stop.wait(POLL_S):
                pass
            if not self._stop.is_set():
                log.error("the ledger process %d ended; starting another, nothing is lost", process.pid)
            process.stop()
