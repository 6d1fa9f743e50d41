"""The ledger process, seen from its parent.

What it does is `running`; a parent needs neither the engine nor the half second and the memory that importing it takes.
"""

import logging
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.layout import Layout

START_TIMEOUT_S: Final = 600.0
"""How long a ledger may take to start: rebuilding an index takes a minute for ten million rows."""

STOP_TIMEOUT_S: Final = 30.0

READY: Final = b"ready"
"""What the process says once it answers questions."""

_log: Final = logging.getLogger(__name__)


class LedgerProcess:
    """A running ledger process, seen from its parent, whose end it does not outlive."""

    def __init__(self, data_dir: Path, settings: Settings) -> None:
        """Start it and wait until it answers; raises LedgerUnavailable when it does not come up."""
        self.data_dir: Final = data_dir
        stop_reader, self._stop_writer = os.pipe2(os.O_CLOEXEC)
        ready_reader, ready_writer = os.pipe2(os.O_CLOEXEC)
        arguments = [str(data_dir), str(stop_reader), str(ready_writer), msgspec.json.encode(settings).decode()]
        self._process: Final = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "bursar.ledger", *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=(stop_reader, ready_writer),
        )
        os.close(stop_reader)
        os.close(ready_writer)
        self._await_ready(ready_reader)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Let it load what is left and end; kills it when it takes longer than `STOP_TIMEOUT_S`."""
        if self._stop_writer >= 0:
            os.close(self._stop_writer)
            self._stop_writer = -1
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _log.error("ledger process %d did not end in %.0f s; killing it", self.pid, STOP_TIMEOUT_S)
            self._process.kill()
            self._process.wait()

    def _await_ready(self, ready_reader: int) -> None:
        try:
            is_told, _, _ = select.select([ready_reader], [], [], START_TIMEOUT_S)
            is_ready = bool(is_told) and os.read(ready_reader, len(READY)) == READY
        finally:
            os.close(ready_reader)
        if not is_ready:
            self.stop()
            raise LedgerUnavailable(
                f"the ledger process for {Layout(self.data_dir).data_dir} did not start; its reason is in the log above"
            )
