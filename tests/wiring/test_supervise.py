"""The supervisor, on processes that do as they are told: shell scripts in the place of workers."""

import logging
import os
import signal
import threading

import pytest

from bursar.clock import SystemClock
from bursar.errors import ConfigError
from bursar.wiring import supervise
from bursar.wiring.board import SUPERVISOR, Board
from bursar.wiring.listen import Port
from bursar.wiring.supervise import Supervisor, pause_after
from bursar.wiring.workers import WorkerProcess

WAITS = "while read line; do :; done; exit 0"
"""Until its standard input ends; signals are looked at in between."""

OBEYS = f"trap 'exit 0' TERM; echo ready; {WAITS}"
FAILS = "exit 3"
STUBBORN = f"trap '' TERM; echo ready; {WAITS}"


class HastyClock(SystemClock):
    """A clock on which a second passes whenever it is read."""

    def __init__(self) -> None:
        self.us = 0

    def monotonic_us(self) -> int:
        self.us += 1_000_000
        return self.us


class Troupe:
    """A supervisor over scripts, each played by the worker of its place."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.scripts: dict[int, list[str]] = {1: [OBEYS], 2: [OBEYS]}
        """What each place plays, one script a start; the last one again and again."""
        self.started: list[int] = []
        self.processes: dict[int, WorkerProcess] = {}
        self.ready = 0
        self.port = Port("127.0.0.1", 0, workers=2)
        self.board = Board.create(2)
        self.clock = SystemClock()
        self.on_ready = lambda: os.kill(os.getpid(), signal.SIGTERM)

    def run(self) -> None:
        """Supervise until stopped, which being ready does unless told otherwise."""
        Supervisor(self.port, self.board, clock=self.clock, start=self._start, on_ready=self._all_ready).run()

    def remarks(self) -> tuple[str, ...]:
        """What `/readyz` would say now."""
        report = self.board.read(SUPERVISOR)
        return () if report is None else report.remarks

    def file(self, name: str):
        """A file that a script writes."""
        return self.folder / name

    def close(self) -> None:
        self.port.close()
        self.board.close()

    def _start(self, number: int) -> WorkerProcess:
        self.started.append(number)
        scripts = self.scripts[number]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        process = WorkerProcess(["/bin/sh", "-c", script.replace("FOLDER", str(self.folder))], told=b"")
        self.processes[number] = process
        return process

    def _all_ready(self) -> None:
        self.ready += 1
        self.on_ready()


@pytest.fixture
def troupe(tmp_path, monkeypatch):
    """Two obedient workers, looked after more often than usual."""
    monkeypatch.setattr(supervise, "TURN_S", 0.01)
    troupe = Troupe(tmp_path)
    yield troupe
    troupe.close()


def later(condition, act) -> None:
    """Act in another thread once a condition holds."""

    def wait():
        for _ in range(5_000):
            if condition():
                break
            threading.Event().wait(0.005)
        act()

    threading.Thread(target=wait, daemon=True).start()


def signal_self(number):
    """Something that sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_start_and_stop(troupe, number):
    """All workers are started once, being ready is said once, and a signal to stop ends all of them."""
    troupe.on_ready = signal_self(number)
    troupe.run()

    assert [1, 2] == troupe.started
    assert 1 == troupe.ready
    assert [False, False] == [is_running(one.pid) for one in troupe.processes.values()]


def test_handlers_are_put_back(troupe):
    """Afterwards signals mean what they meant before."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    troupe.run()

    assert before == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_reload_reaches_all(troupe):
    """SIGHUP is handed on to every worker."""
    for number in (1, 2):
        script = f"trap 'echo > FOLDER/hup{number}' HUP; trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"
        troupe.scripts[number] = [script]
    troupe.on_ready = signal_self(signal.SIGHUP)
    later(lambda: all(troupe.file(f"hup{number}").exists() for number in (1, 2)), signal_self(signal.SIGTERM))
    troupe.run()

    assert {"hup1", "hup2"} == {path.name for path in troupe.folder.iterdir()}


def test_dead_worker_is_replaced(troupe, caplog):
    """A worker that is killed is started again; how it ended is said, counted and on the board."""
    troupe.scripts[2] = [f"kill -9 $$; {OBEYS}", OBEYS]
    troupe.run()

    assert [1, 2, 2] == troupe.started
    (said,) = caplog.messages
    assert "worker w2" in said
    assert "was killed by signal 9 (Killed); it is started again" in said
    assert 1 == restarts(troupe)


def test_settled_worker_is_replaced_at_once(troupe):
    """A worker that had lived for a while is not punished for its end."""
    troupe.clock = HastyClock()
    troupe.on_ready = lambda: None
    seen = []

    def kill():
        seen.append(troupe.clock.us)
        troupe.processes[1].send(signal.SIGKILL)

    later(lambda: troupe.ready and troupe.clock.us > supervise.SETTLED_US * 2, kill)
    later(lambda: troupe.started.count(1) == 2, signal_self(signal.SIGTERM))
    troupe.run()

    assert [1, 2, 1] == troupe.started


def test_failing_worker(troupe, caplog):
    """One that fails again and again is started after growing pauses, during which the other gets its connections."""
    listens = []
    troupe.clock = HastyClock()
    troupe.scripts[2] = [FAILS] * 6 + [OBEYS]
    start = troupe._start

    def watched(number):
        listens.append(number in troupe.port._sockets)
        troupe.port.of(number)
        return start(number)

    troupe._start = watched
    troupe.run()

    assert [1, *[2] * 7] == troupe.started
    assert [True] * 5 + [False] * 3 == listens
    assert ["in 0.5 s", "in 1 s", "in 2 s", "in 4 s", "in 8 s", "in 16 s"] == [
        message[message.rindex("in ") :] for message in caplog.messages if "ended with status 3" in message
    ]


def test_worker_that_cannot_be_started(troupe, caplog):
    """A machine without memory for a process is no reason to end."""
    start, failures = troupe._start, [OSError(12, "Cannot allocate memory")]

    def failing(number):
        if failures:
            raise failures.pop()
        return start(number)

    troupe._start = failing
    troupe.run()

    assert {1, 2} == set(troupe.started)
    assert "could not be started: Cannot allocate memory" in caplog.text


def test_unusable_configuration(troupe):
    """When a worker says at the start that it cannot work, the others are stopped, and starting fails."""
    troupe.scripts = {1: [f"trap '' TERM; {WAITS}"], 2: ["exit 2"]}
    with pytest.raises(ConfigError, match="worker w2 cannot start"):
        troupe.run()

    assert not is_running(troupe.processes[1].pid)


def test_unusable_later(troupe, caplog):
    """A worker that finds its configuration spoilt while others serve is tried again."""
    troupe.scripts[2] = ["while ! test -e FOLDER/served; do sleep 0.01; done; exit 2", OBEYS]
    later(lambda: troupe.remarks() == ("w2 is starting",), lambda: troupe.file("served").touch())
    troupe.run()

    assert [1, 2, 2] == troupe.started
    assert "ended with status 2; it is started again" in caplog.text


def test_remarks(troupe):
    """Which worker is away is on the board until it is back."""
    remarks = []
    troupe.scripts[2] = [FAILS, OBEYS]
    start = troupe._start

    def watched(number):
        if number in troupe.started:
            remarks.extend(troupe.remarks())
        return start(number)

    troupe._start = watched
    troupe.run()

    assert any("ended with status 3; it is started again" in remark for remark in remarks)
    assert () == troupe.remarks()


def test_stubborn_worker_is_killed(troupe, caplog):
    """One that neither ends nor reports any more is killed."""
    troupe.clock = HastyClock()
    troupe.scripts[2] = [STUBBORN]
    troupe.run()

    assert "worker w2 does not end; it is killed" in caplog.text
    assert not is_running(troupe.processes[2].pid)


def test_second_signal(troupe, caplog, monkeypatch):
    """A second signal is handed on, for a worker to cut its calls; who does not end even then is killed."""
    script = "trap 'echo >> FOLDER/terms' TERM; echo ready; while :; do sleep 0.01; done"
    troupe.scripts[2] = [script]
    later(lambda: troupe.file("terms").exists(), signal_self(signal.SIGINT))
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(supervise, "CUT_US", 200_000)
    troupe.run()

    assert 2 == len(troupe.file("terms").read_text().splitlines())
    assert "worker w2 does not end; it is killed" in caplog.text


def test_pauses():
    """Pauses double up to half a minute."""
    assert [0, 0.5, 1, 2, 4, 8, 16, 30, 30] == [pause_after(failures) for failures in range(9)]
    assert 30 == pause_after(1000)


def is_running(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def restarts(troupe: Troupe) -> float:
    """The count on the board."""
    (family,) = (one for one in troupe.board.read(SUPERVISOR).families if one.name == "bursar_worker_restarts")
    return family.samples[0].value
