"""The control database on SQLite: the contract, and what is special about its file."""

import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from bursar.config import KeyGrant
from bursar.control import sqlite
from bursar.control.open import FILE, open_control
from bursar.errors import ControlUnavailable
from support.control_contract import ANA, MONTHLY, SEARCH, ControlContract, every_change, secret
from support.ledger_records import FixedClock


class TestSqlite(ControlContract):
    """The contract on a SQLite file."""


def test_survives_reopening(tmp_path, state):
    """What was written is there for the next process."""
    state.keys.create(SEARCH, secret("one"), ANA)
    with closing(open_control(tmp_path, FixedClock())) as again:
        assert state.keys.get("search-prod") == again.keys.get("search-prod")
        assert state.version() == again.version()


def test_only_its_owner_may_read_it(tmp_path, state):
    """The file and its companions are readable by nobody else."""
    state.keys.create(SEARCH, secret("one"), ANA)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert {FILE, f"{FILE}-wal", f"{FILE}-shm"} == modes.keys()
    assert {0o600} == set(modes.values())


def test_two_processes_see_each_other(tmp_path, state):
    """A write by one connection moves the version that another sees."""
    before = state.version()
    with closing(open_control(tmp_path, FixedClock())) as other:
        other.keys.create(SEARCH, secret("one"), ANA)

    assert before.keys + 1 == state.version().keys
    assert None is not state.keys.find(secret("one").digest)


def test_reading_does_not_wait_for_writing(tmp_path, state):
    """While a writer is in the middle of a transaction, reads see what was before it."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE control_version SET keys = 99")

        assert 0 == state.version().keys
        assert state.keys.is_empty()


def test_locked_for_too_long(tmp_path, state, monkeypatch):
    """A write that another writer holds up for too long is refused, and nothing is written."""
    monkeypatch.setattr(sqlite, "WRITE_WAIT_S", 0.05)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(ControlUnavailable, match="locked"):
            state.keys.create(SEARCH, secret("one"), ANA)
        writer.execute("ROLLBACK")

    assert state.keys.is_empty()


def test_writers_take_turns(state):
    """Concurrent writers wait for one another: nothing is lost, no id is given twice."""
    failures = []

    def write(number):
        try:
            for turn in range(5):
                state.keys.create(KeyGrant(name=f"k{number}-{turn}"), secret(f"{number}-{turn}"), ANA)
        except Exception as failed:  # noqa: BLE001 - told to the test
            failures.append(failed)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == failures
    assert 20 == len(state.keys.page(limit=99)) == state.version().keys
    assert list(range(20, 0, -1)) == [entry.id for entry in state.audit.newest(limit=99)]


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_not_a_database(tmp_path, content):
    """A damaged file is unavailable, and is left as it is."""
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ControlUnavailable, match=FILE):
        open_control(tmp_path, FixedClock())

    assert content == (tmp_path / FILE).read_bytes()


def test_damaged_while_open(tmp_path, state):
    """Damage that happens later is unavailable too, never an empty answer."""
    every_change(state)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with closing(sqlite3.connect(tmp_path / FILE)), pytest.raises(ControlUnavailable, match="malformed"):
        state.keys.page(limit=5)
    with pytest.raises(ControlUnavailable, match="malformed"):
        state.keys.find(secret("one").digest)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE virtual_keys SET terms = '{'", lambda state: state.keys.find(secret("two").digest)),
        ("UPDATE virtual_keys SET terms = '{\"name\":5}'", lambda state: state.keys.get("search-prod")),
        ("UPDATE virtual_keys SET made_us = 'x'", lambda state: state.keys.page(limit=5)),
        ("UPDATE budgets SET definition = ''", lambda state: state.budgets.every()),
        ("UPDATE top_ups SET pico = '1.5'", lambda state: state.top_ups.newest(limit=5)),
        ("UPDATE alerts SET severity = 'loud'", lambda state: state.alerts.newest(limit=5)),
        ("UPDATE audit_log SET at_us = 'x'", lambda state: state.audit.newest(limit=5)),
        ("DELETE FROM control_version", lambda state: state.version()),
    ],
)
def test_rows_that_make_no_sense(tmp_path, state, statement, read):
    """A row that somebody else wrote and that cannot be read is unavailable, never skipped."""
    every_change(state)
    state.budgets.create(MONTHLY, ANA)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute(statement)

    with pytest.raises(ControlUnavailable):
        read(state)


def test_of_a_later_release(tmp_path):
    """A database with a newer schema is not touched."""
    open_control(tmp_path, FixedClock()).close()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, 0)")

    with pytest.raises(ControlUnavailable, match="written by a later release of Bursar"):
        open_control(tmp_path, FixedClock())


def test_migrations_go_on_where_they_were(tmp_path, monkeypatch):
    """Steps that a database lacks are applied at the next opening, once and all or none."""
    first = sqlite.MIGRATIONS
    open_control(tmp_path, FixedClock(7)).close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*first, ("CREATE TABLE later (a BIGINT)", "SELECT nothing")))
    with pytest.raises(ControlUnavailable, match="nothing"):
        open_control(tmp_path, FixedClock(8))
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*first, ("CREATE TABLE later (a BIGINT)",)))
    for _ in range(2):
        open_control(tmp_path, FixedClock(9)).close()

    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert [*((number, 7) for number in range(1, len(first) + 1)), (len(first) + 1, 9)] == connection.execute(
            "SELECT * FROM schema_migrations ORDER BY version"
        ).fetchall()


def test_removed_file(tmp_path, state):
    """When the file is gone, nothing is known; it is not made anew behind the others' backs."""
    state.keys.create(SEARCH, secret("one"), ANA)
    (tmp_path / FILE).unlink()

    for use in (state.version, lambda: state.keys.create(KeyGrant(name="b"), secret("b"), ANA)):
        with pytest.raises(ControlUnavailable):
            use()
    assert not (tmp_path / FILE).exists()


def test_replaced_file(tmp_path, state):
    """A backup that is put in place is noticed: another store, whatever its counts say."""
    with closing(open_control(tmp_path / "other", FixedClock())) as other:
        other.keys.create(KeyGrant(name="restored"), secret("r"), ANA)
    state.keys.create(SEARCH, secret("one"), ANA)
    before = state.version()
    (tmp_path / "other" / FILE).rename(tmp_path / FILE)
    for companion in ("-wal", "-shm"):
        (tmp_path / (FILE + companion)).unlink()
    after = state.version()

    assert (before.keys, before.store != after.store) == (after.keys, True)
    assert [None, "restored"] == [
        record and record.grant.name for record in (state.keys.get("search-prod"), state.keys.get("restored"))
    ]


def test_unreadable_folder(tmp_path):
    """A data folder that cannot be made is said to be the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlUnavailable, match="cannot be used"):
        open_control(tmp_path / "file", FixedClock())
