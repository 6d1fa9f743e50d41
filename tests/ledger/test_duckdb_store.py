"""The embedded store: the contract, and what is special about its file."""

from itertools import count, pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.ledger import duckdb_schema
from bursar.ledger.columns import table_of
from bursar.ledger.duckdb_report import Window, split_window
from bursar.ledger.duckdb_store import DuckDBStore
from bursar.ledger.layout import HOUR_US
from bursar.ledger.questions import Measures, ReportQuestion
from bursar.ledger.row import settled_row
from support.charges_contract import ChargesContract
from support.ledger_records import settled
from support.store_contract import StoreContract
from support.velocities_contract import VelocitiesContract


@pytest.fixture
def fresh(tmp_path):
    """Makes empty stores; only the last two stay open."""
    numbers = count()
    stores = []

    def make():
        while len(stores) > 1:
            stores.pop(0).close()
        stores.append(DuckDBStore.open(tmp_path / f"{next(numbers)}.duckdb", memory_limit_mb=256))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


class TestDuckDBStore(StoreContract):
    """The contract on a DuckDB file."""


class TestDuckDBCharges(ChargesContract):
    """The contract of charges on a DuckDB file."""


class TestDuckDBVelocities(VelocitiesContract):
    """The contract of velocities on a DuckDB file."""


def test_another_version_is_rebuilt(tmp_path, monkeypatch):
    """An index of another schema version is replaced by an empty one, to be filled from the segments."""
    path = tmp_path / "index.duckdb"
    store = DuckDBStore.open(path)
    store.append("s", table_of([settled_row(settled(1))]))
    store.close()
    monkeypatch.setattr("bursar.ledger.duckdb_store.SCHEMA_VERSION", duckdb_schema.SCHEMA_VERSION + 1)

    store = DuckDBStore.open(path)
    assert store.applied() == set()
    assert store.report(ReportQuestion()).total == Measures()
    store.close()


def test_foreign_database_is_rebuilt(tmp_path):
    """A DuckDB file of somebody else is no index."""
    path = tmp_path / "index.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table rows (a int)")

    store = DuckDBStore.open(path)
    assert store.applied() == set()
    store.close()


def test_no_way_out_of_the_file(tmp_path):
    """The engine can read no other file and load no extension."""
    store = DuckDBStore.open(tmp_path / "index.duckdb")
    for statement in ("select * from read_csv('/etc/passwd')", "install httpfs", "copy rows to '/tmp/x'"):
        with pytest.raises(duckdb.Error):
            store._connection.execute(statement)
    store.close()


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**11))
def test_split_window(start_us, length):
    """The three parts follow each other without gap or overlap, and the middle one is whole hours."""
    parts = split_window(Window(start_us, start_us + length))
    start, hours, end = parts
    covered = [part for part in parts if not part.is_empty]

    assert sum(part.end_us - part.start_us for part in covered) == length
    assert all(one.end_us == next_one.start_us for one, next_one in pairwise(covered))
    assert hours.start_us % HOUR_US == hours.end_us % HOUR_US == 0
    assert start.end_us - start.start_us < 2 * HOUR_US
    assert end.end_us - end.start_us < HOUR_US
