"""The control database on SQLite, for the processes of one machine: everything about it that is SQLite's own.

WAL mode, so that a reader never waits for a writer nor the other way round. Reads share one connection, each for a few
microseconds; a write opens its own, so that waiting for another writer holds up nobody else. `version` notices when the
file was replaced or removed under it. Fails closed: a database that is missing, locked, damaged or of a later release
is `ControlUnavailable`.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from bursar.clock import Clock
from bursar.control.database import Area, Row, Sql, Value, whole
from bursar.control.schema import MIGRATIONS
from bursar.control.values import Version
from bursar.errors import ControlUnavailable

READ_WAIT_S: Final = 0.25
"""How long a read waits; in WAL mode only for recovery after a crash. Reads happen on the event loop."""

WRITE_WAIT_S: Final = 5.0
"""How long a write waits for other writers."""

MODE: Final = 0o600

_MOVE: Final[Mapping[Area, str]] = {
    "keys": "UPDATE control_version SET keys = keys + 1",
    "rules": "UPDATE control_version SET rules = rules + 1",
    "alerts": "UPDATE control_version SET alerts = alerts + 1",
}


class _Connection:
    """`Sql` over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Value) -> Row | None:
        found: Row | None = self._connection.execute(statement, values).fetchone()
        return found

    def run(self, statement: str, *values: Value) -> int:
        return self._connection.execute(statement, values).rowcount


class SqliteDatabase:
    """One file, opened or made, and brought up to date. May be used from several threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path: Final = path.resolve()
        self._lock: Final = threading.Lock()
        with self._explained():
            _touch(self._path)
            with closing(self._connect(WRITE_WAIT_S)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                self._migrate(connection, at_us=clock.now_us())
            self._open_reader()

    @contextmanager
    def reading(self) -> Iterator[Sql]:
        with self._explained(), self._lock:
            yield _Connection(self._reader)

    @contextmanager
    def writing(self, area: Area) -> Iterator[Sql]:
        with self._explained(), closing(self._connect(WRITE_WAIT_S)) as connection, _transaction(connection):
            connection.execute(_MOVE[area])
            yield _Connection(connection)

    def version(self) -> Version:
        with self._explained(), self._lock:
            if _identity(self._path.stat()) != self._file:
                self._reader.close()
                self._open_reader()
            found = self._reader.execute("SELECT keys, rules, alerts FROM control_version").fetchone()
        if found is None:
            raise ControlUnavailable(f"the control state in {self._path} has lost its version")
        return Version(keys=whole(found[0]), rules=whole(found[1]), alerts=whole(found[2]), store=self._file)

    def close(self) -> None:
        with self._lock:
            self._reader.close()

    def _open_reader(self) -> None:
        self._reader = self._connect(READ_WAIT_S)
        self._file = _identity(self._path.stat())

    def _connect(self, wait_s: float) -> sqlite3.Connection:
        """Connect to the file that is there; a missing one is an error, not a new database."""
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _migrate(self, connection: sqlite3.Connection, *, at_us: int) -> None:
        known = len(MIGRATIONS)
        if _schema_version(connection) == known:
            return
        with _transaction(connection):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, applied_us BIGINT NOT NULL)"
            )
            present = _schema_version(connection)
            if present > known:
                raise ControlUnavailable(
                    f"{self._path} was written by a later release of Bursar (schema {present}; this one knows {known})"
                )
            for version, statements in enumerate(MIGRATIONS[present:], start=present + 1):
                for statement in statements:
                    connection.execute(statement)
                connection.execute("INSERT INTO schema_migrations VALUES (?, ?)", (version, at_us))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.Error, OSError) as failed:
            raise ControlUnavailable(f"the control state in {self._path} cannot be used: {failed}") from failed


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _schema_version(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    if found is None:
        return 0
    (version,) = connection.execute("SELECT COALESCE(MAX(version), 0) FROM schema_migrations").fetchone()
    return whole(version)


def _touch(path: Path) -> None:
    """Make the file if need be, for its owner alone; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, MODE))


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}-{status.st_ino}"
