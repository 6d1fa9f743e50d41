"""The ledger process and its clients: one set of answers with it or without it, and nothing lost when it is killed."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from bursar.errors import LedgerUnavailable
from bursar.ledger.client import AsyncLedgerClient, SocketClient, connect
from bursar.ledger.engine import Ledger
from bursar.ledger.process import LedgerProcess
from bursar.ledger.questions import (
    CandidatesQuestion,
    ExplainQuestion,
    HealthQuestion,
    NewestQuestion,
    QuestionError,
    ReportQuestion,
    SummaryQuestion,
)
from bursar.ledger.running import _load_some
from bursar.ledger.spool import Spool
from bursar.ledger.wire import LENGTH
from support.ledger_records import SETTINGS, START_US, FixedClock, opened, settled, write_spool

QUESTIONS = (
    ReportQuestion(by=("team", "day")),
    ExplainQuestion(call_id="call-000001"),
    NewestQuestion(),
    SummaryQuestion(now_us=START_US),
    CandidatesQuestion(),
)


@pytest.fixture
def process(tmp_path):
    """A running ledger process on ``tmp_path``."""
    running = LedgerProcess(tmp_path, SETTINGS)
    yield running
    running.stop()


def ask(data_dir, question):
    """One answer, from whoever can give it."""
    client = connect(data_dir, SETTINGS, clock=FixedClock(), wait_s=20.0)
    try:
        return client.ask(question)
    finally:
        client.close()


def test_same_answers_with_and_without_a_process(tmp_path):
    """The process and the in-process ledger answer alike, synchronously and asynchronously, sums past 64 bits too."""
    write_spool(tmp_path, "w", [settled(call, cost=2**62) for call in range(1, 9)])
    local = [ask(tmp_path, question) for question in QUESTIONS]
    process = LedgerProcess(tmp_path, SETTINGS)
    try:
        remote = [SocketClient(tmp_path).ask(question) for question in QUESTIONS]
        asynchronous = [asyncio.run(AsyncLedgerClient(tmp_path).ask(question)) for question in QUESTIONS]
    finally:
        process.stop()

    assert local == remote == asynchronous
    assert local[0].total.cost == 8 * 2**62


def test_read_your_writes(tmp_path, process):
    """What a worker has just written is in the next answer."""
    client = connect(tmp_path, SETTINGS, clock=FixedClock())
    with Spool(tmp_path / "spool", "gateway", max_bytes=1 << 20) as spool:
        for call in range(3):
            spool.append(opened(call))
            before = client.ask(ExplainQuestion(call_id=f"call-{call:06d}"))
            spool.append(settled(call))
            after = client.ask(ExplainQuestion(call_id=f"call-{call:06d}"))

            assert (before.in_flight, len(before.rows)) == ((1,), 0)
            assert (after.in_flight, len(after.rows)) == ((), 1)
    assert isinstance(client, SocketClient)
    assert process.is_alive()


def test_errors_cross_the_socket(tmp_path, process):
    """A question that cannot be answered comes back as the same error, and the process goes on."""
    with pytest.raises(QuestionError, match="unknown dimension 'tema'"):
        ask(tmp_path, ReportQuestion(by=("tema",)))
    assert ask(tmp_path, HealthQuestion()).store.rows == 0
    assert process.is_alive()


@pytest.mark.parametrize("message", [LENGTH.pack(5) + b"{}[]x", LENGTH.pack(2) + b"{}", b"\xff\xff\xff\xff", b"\x01"])
def test_nonsense_on_the_socket(tmp_path, process, message):
    """Bytes that are no question do not end the process."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "ledger.sock"))
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1 << 16)

    assert ask(tmp_path, HealthQuestion()).store.rows == 0
    assert process.is_alive()


def test_socket_is_private(tmp_path, process):
    """Only the owner of the data directory can ask."""
    assert (tmp_path / "ledger.sock").stat().st_mode & 0o777 == 0o600
    assert process.is_alive()


def test_deep_data_directory(tmp_path):
    """A data directory whose path is too long for a socket address works all the same."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    write_spool(deep, "w", [settled(1)])
    process = LedgerProcess(deep, SETTINGS)
    try:
        assert ask(deep, ReportQuestion()).total.requests == 1
        assert asyncio.run(AsyncLedgerClient(deep).ask(ReportQuestion())).total.requests == 1
    finally:
        process.stop()


def test_second_process(tmp_path, process):
    """A second ledger process does not start, and says which one is running."""
    with pytest.raises(LedgerUnavailable, match="in use by process"):
        Ledger(tmp_path, SETTINGS, clock=FixedClock())
    assert str(process.pid) in (tmp_path / "ledger.lock").read_text()


def test_nobody_answers(tmp_path):
    """Without a process the asynchronous client says so instead of waiting."""
    with pytest.raises(LedgerUnavailable, match="no ledger process answers"):
        asyncio.run(AsyncLedgerClient(tmp_path).ask(HealthQuestion()))


@pytest.mark.parametrize("end", ["stop", "terminate"])
def test_last_load(tmp_path, end):
    """A process that is told to end loads what is left first, and leaves no socket behind."""
    process = LedgerProcess(tmp_path, type(SETTINGS)(flush_s=3600.0, memory_limit_mb=256))
    write_spool(tmp_path, "w", [settled(1)])
    if end == "terminate":
        os.kill(process.pid, signal.SIGTERM)
    process.stop()

    assert not process.is_alive()
    assert list((tmp_path / "spool").iterdir()) == []
    assert not (tmp_path / "ledger.sock").exists()
    assert ask(tmp_path, ReportQuestion()).total.requests == 1


def test_killed_while_loading(tmp_path):
    """Killed at any moment of a load, again and again, every record ends up in the ledger exactly once."""
    calls = 24_000
    for worker in range(4):
        write_spool(
            tmp_path,
            f"w{worker}",
            (record for n in range(worker, calls, 4) for record in (opened(n), settled(n))),
        )
    for committed in range(2):
        reader, writer = os.pipe()
        stop_reader, stop_writer = os.pipe()
        arguments = [str(tmp_path), str(stop_reader), str(writer), '{"memory_limit_mb": 256}']
        process = subprocess.Popen([sys.executable, "-m", "bursar.ledger", *arguments], pass_fds=(stop_reader, writer))
        os.close(stop_reader)
        os.close(writer)
        select.select([reader], [], [], 60)
        while len(list((tmp_path / "segments").glob("*/*.parquet"))) <= committed and process.poll() is None:
            os.sched_yield()
        process.kill()
        process.wait()
        os.close(reader)
        os.close(stop_writer)

    with Ledger(tmp_path, SETTINGS, clock=FixedClock(), wait_s=5) as ledger:
        ledger.load()
        total = ledger.ask(ReportQuestion()).total
        assert ledger.ask(ReportQuestion(by=("user",))).total == total
    assert (total.requests, total.attempts, total.cost) == (calls, calls, calls * 1000)
    assert total.interrupted_requests == 0


def test_parent_is_killed(tmp_path):
    """A ledger process whose parent dies loads what is left and lets go of the ledger by itself."""
    write_spool(tmp_path, "w", [settled(1)])
    code = (
        "import sys, pathlib\n"
        "from bursar.config import Ledger\n"
        "from bursar.ledger.process import LedgerProcess\n"
        "LedgerProcess(pathlib.Path(sys.argv[1]), Ledger(flush_s=3600.0))\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "up\n"
    parent.kill()
    parent.communicate()

    with Ledger(tmp_path, SETTINGS, clock=FixedClock(), wait_s=20) as ledger:
        assert ledger.ask(ReportQuestion()).total.requests == 1


def test_steady_trickle_is_loaded_in_one_pass():
    """Rows that arrive while a pass runs wait for the next turn, unless there are very many of them."""

    class Trickle:
        passes = 0
        behind = 0

        def load(self, *, max_passes):
            self.passes += max_passes
            return 5

        def is_behind(self):
            self.behind -= 1
            return self.behind >= 0

        def tend(self):
            return False

    steady, flooded = Trickle(), Trickle()
    flooded.behind = 3
    _load_some(steady)
    _load_some(flooded)

    assert (1, 4) == (steady.passes, flooded.passes)
