"""Counters in a file that the workers of one machine share."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from bursar.counters.local import open_local
from bursar.counters.protocol import Balance
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account
from support.counters_contract import LEASE, TEAM, CountersContract, S, balance, hold, spend
from support.counters_crowd import check_crowd, check_killed
from support.counters_machine import machine_of


class LocalStore:
    """A file of its own; its workers are connections."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="bursar-counters-")
        self.path = Path(self._folder.name) / "counters %?#.sqlite"
        self._opened = []
        open_local(self.path, worker="starter", lease_us=LEASE, fresh=True).close()

    def worker(self, name="w1"):
        self._opened.append(open_local(self.path, worker=name, lease_us=LEASE, fresh=False))
        return self._opened[-1]

    def close(self):
        for one in self._opened:
            one._db.close()
        self._folder.cleanup()


@pytest.fixture
def fresh():
    return LocalStore


@pytest.fixture
def store(fresh):
    store = fresh()
    yield store
    store.close()


@pytest.fixture
def blocker(store):
    """Somebody who can keep the write lock."""
    db = sqlite3.connect(store.path, isolation_level=None)
    yield db
    db.close()


class TestLocalCounters(CountersContract):
    """Counters in a file pass the contract."""


TestLocalMachine = machine_of(LocalStore).TestCase
TestLocalMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_write_lock_that_stays_away(store, blocker):
    """Who cannot write in some 50 ms is told so, keeps its settlements, and counts them when it can."""
    worker = store.worker()
    asked = hold("a", (TEAM, 60))
    worker.reserve(asked)
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(CountersUnavailable, match="locked"):
        worker.reserve(hold("b", (TEAM, 1)))
    worker.settle(asked, (50,))
    worker.settle(hold("unchecked", (TEAM, 0)), (7,))
    worker.settle(hold("unchecked too", (TEAM, 0)), (8,))
    worker.beat(at_us=asked.at_us)
    assert "locked" in worker.trouble
    assert Balance(0, 60) == balance(worker, TEAM)

    blocker.execute("ROLLBACK")
    assert (66,) == worker.reserve(hold("c", (TEAM, 1))).used
    assert worker.trouble is None
    assert Balance(65, 1) == balance(worker, TEAM)


def test_trouble_is_waited_for_once(store, blocker, monkeypatch):
    """A store that hangs is waited for once, so that the loop of a worker is not blocked by every request."""
    worker = store.worker()
    waits = []
    monkeypatch.setattr("bursar.counters.local.time.sleep", waits.append)
    blocker.execute("BEGIN IMMEDIATE")

    for number in range(100):
        with pytest.raises(CountersUnavailable):
            worker.reserve(hold(str(number), (TEAM, 1)))

    assert 0.06 > sum(waits) > 0.02


def test_crowd_is_waited_for(store, blocker, monkeypatch):
    """While others write one after another, a worker waits for its turn longer than for a lock that nobody lets go."""
    worker = store.worker()
    turns = iter(range(1000))

    def others_write(_):
        blocker.execute("INSERT INTO worker VALUES (?, 0)", (f"other {next(turns)}",))
        blocker.execute("COMMIT")
        if next(turns) < 500:
            blocker.execute("BEGIN IMMEDIATE")

    blocker.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("bursar.counters.local.time.sleep", others_write)

    assert worker.reserve(hold("a", (TEAM, 1))).is_granted


def test_endless_crowd(store, blocker, monkeypatch):
    """A crowd without end is not waited for without end, and the next request waits for its turn again."""
    worker = store.worker()
    waits = []

    def others_write(pause_s):
        waits.append(pause_s)
        blocker.execute("INSERT INTO worker VALUES (?, 0)", (f"other {len(waits)}",))
        blocker.execute("COMMIT")
        blocker.execute("BEGIN IMMEDIATE")

    blocker.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("bursar.counters.local.time.sleep", others_write)
    for number in range(2):
        with pytest.raises(CountersUnavailable, match="locked"):
            worker.reserve(hold(str(number), (TEAM, 1)))

    assert 0.4 > sum(waits) > 0.2


def test_ending_while_the_lock_is_away(store, blocker):
    """A worker ends even if nobody counts what it holds; its lease will."""
    worker = store.worker()
    worker.reserve(hold("a", (TEAM, 60)))
    blocker.execute("BEGIN IMMEDIATE")
    worker.close()
    blocker.execute("ROLLBACK")

    other = store.worker("w2")
    other.beat(at_us=hold("a").at_us + LEASE + 1)
    assert Balance(0, 0) == balance(other, TEAM)


def test_late_settlements_of_a_long_outage(store, blocker):
    """What was admitted unchecked is added up, not listed, until it can be counted."""
    worker = store.worker()
    blocker.execute("BEGIN IMMEDIATE")
    for number in range(1000):
        worker.settle(hold(str(number), (TEAM, 0)), (1,))

    assert 1 == len(worker._backlog._sums)
    blocker.execute("ROLLBACK")
    worker.beat(at_us=0)
    assert Balance(1000, 0) == balance(worker, TEAM)


def test_beginning_anew(store):
    """A fresh start forgets what an earlier one counted."""
    spend(store.worker(), "a", TEAM, 60)

    open_local(store.path, worker="starter", lease_us=LEASE, fresh=True).close()

    assert Balance(0, 0) == balance(store.worker(), TEAM)


def test_torn_file(store):
    """A file that a power failure has torn is made anew at the next start, and is of no use before."""
    store.path.write_bytes(b"no database" * 1000)
    with pytest.raises(CountersUnavailable, match="cannot be opened"):
        store.worker()

    open_local(store.path, worker="starter", lease_us=LEASE, fresh=True).close()

    spend(store.worker(), "a", TEAM, 60)


def test_missing_file(tmp_path):
    """A worker does not make a file of its own: two files would count half each."""
    with pytest.raises(CountersUnavailable, match=r"gone\.sqlite cannot be opened"):
        open_local(tmp_path / "gone.sqlite", worker="w", lease_us=LEASE, fresh=False)

    assert [] == list(tmp_path.iterdir())


def test_parts_do_not_pile_up(store):
    """Parts that have left a rolling window are deleted."""
    worker = store.worker()
    for minute in range(20):
        spend(worker, str(minute), Account("limit/m", limit=9, span_us=60 * S), 9, at=minute * 70 * S)

    assert 1 == worker._db.execute("SELECT count(*) FROM part").fetchone()[0]


def test_crowd(store):
    """Three processes at once lose nothing and exceed nothing."""
    check_crowd(str(store.path), store.worker())


def test_killed(store):
    """A kill in the middle of anything leaves nothing behind for longer than a lease."""
    check_killed(str(store.path), store.worker())
