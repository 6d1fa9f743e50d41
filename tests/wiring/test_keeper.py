"""The ledger process is kept alive."""

import logging
import os
import signal
import threading

import pytest

from bursar.errors import LedgerUnavailable
from bursar.ledger.client import SocketClient
from bursar.ledger.process import LedgerProcess
from bursar.ledger.questions import HealthQuestion
from bursar.wiring import keeper
from bursar.wiring.keeper import LedgerKeeper
from support.ledger_records import SETTINGS


class Started:
    """Every process that a keeper starts, in order."""

    def __init__(self) -> None:
        self.processes: list[LedgerProcess] = []
        self.failures = 0
        self.changed = threading.Condition()

    def __call__(self, *arguments: object) -> LedgerProcess:
        """Start a real one, or fail as often as asked."""
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailable("the disk is full")
        process = LedgerProcess(*arguments)
        with self.changed:
            self.processes.append(process)
            self.changed.notify_all()
        return process

    def wait(self, count: int) -> LedgerProcess:
        """The latest process, once there have been so many."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.processes) >= count, 60):
                raise TimeoutError(f"{len(self.processes)} of {count} ledger processes were started")
            return self.processes[-1]


@pytest.fixture
def started(monkeypatch):
    """The processes of the keepers of this test, which look after them more often than usual."""
    started = Started()
    monkeypatch.setattr(keeper, "LedgerProcess", started)
    monkeypatch.setattr(keeper, "POLL_S", 0.01)
    monkeypatch.setattr(keeper, "RETRY_S", 0.01)
    return started


def test_killed_ledger_comes_back(tmp_path, started, caplog):
    """A killed ledger process is replaced, and questions are answered again."""
    kept = LedgerKeeper(tmp_path, SETTINGS)
    try:
        first = started.wait(1)
        os.kill(first.pid, signal.SIGKILL)
        second = started.wait(2)
        health = SocketClient(tmp_path).ask(HealthQuestion())
    finally:
        kept.stop()

    assert (False, False) == (first.is_alive(), second.is_alive())
    assert (0, ()) == (health.store.rows, health.damage)
    assert f"the ledger process {first.pid} ended; starting another, nothing is lost" in caplog.messages


def test_ledger_that_does_not_start(tmp_path, started, caplog):
    """One that fails to start is tried again, and the reason is said."""
    started.failures = 2
    kept = LedgerKeeper(tmp_path, SETTINGS)
    try:
        started.wait(1)
    finally:
        kept.stop()

    assert ["the disk is full; calls go on and are spooled, trying again in 0.01 s"] * 2 == [
        record.message for record in caplog.records if record.levelno == logging.ERROR
    ]


def test_stop(tmp_path, started):
    """Stopping ends the process and is not taken for an accident."""
    kept = LedgerKeeper(tmp_path, SETTINGS)
    process = started.wait(1)
    kept.stop()

    assert not process.is_alive()
    assert len(started.processes) == 1
