"""The embedded store: one DuckDB file, an index over the segments that can be deleted at any time.

DuckDB is built for one process per file, so only the holder of the ledger's lock opens it. Rows go in as Arrow tables
(never `executemany`: 400 rows/s) in one transaction with their hourly sums and the segment's name, so that an index is
always a whole number of segments. No extension is ever loaded and the engine may touch no other file.
"""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from bursar.errors import LedgerUnavailable
from bursar.ledger.columns import COLUMNS, SCHEMA, rows_of
from bursar.ledger.duckdb_charges import charges_statement
from bursar.ledger.duckdb_report import filter_condition, report_statement
from bursar.ledger.duckdb_schema import (
    MEASURES,
    ROLLUP_COLUMNS,
    ROLLUP_DIMENSIONS,
    ROLLUP_FROM_ROWS,
    ROLLUP_GROUPS,
    ROLLUP_MERGED,
    SCHEMA_VERSION,
    measures_of,
)
from bursar.ledger.duckdb_velocities import velocities_statement
from bursar.ledger.layout import DAY_US, day_start_us
from bursar.ledger.questions import (
    AttemptRow,
    CandidatesPage,
    CandidatesQuestion,
    Charge,
    Charges,
    ChargesQuestion,
    Measures,
    NewestQuestion,
    Report,
    ReportQuestion,
    ReportRow,
    StoreHealth,
    Value,
    Velocities,
    VelocitiesQuestion,
    Velocity,
)
from bursar.ledger.row import PROMOTED_TAGS, AttemptKey, Row
from bursar.usage import Meter

MERGE_AFTER_BATCHES: Final = 64
"""Hourly sums are appended batch by batch; after this many batches those of the touched hours are merged."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

_log: Final = logging.getLogger(__name__)


class DuckDBStore:
    """`Store` on one DuckDB file. Writes come from one thread at a time; questions may come from any."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection: Final = connection
        self._path: Final = path
        self._applied = frozenset(name for (name,) in connection.execute("select name from applied").fetchall())
        self._unmerged = 0
        self._touched_hours: set[datetime] = set()

    @classmethod
    def open(cls, path: Path, *, memory_limit_mb: int = 1024) -> Self:
        """Open the index, or an empty new one in place of one that is damaged or of another version.

        The caller then appends the segments that `applied` does not name. Raises LedgerUnavailable when another process
        has the file open.
        """
        try:
            connection = _connect(path, memory_limit_mb)
            if _has_this_schema(connection):
                return cls(connection, path)
            connection.close()
            _log.warning("index %s is of another version; rebuilding it from the segments", path)
        except duckdb.Error as broken:
            if "Could not set lock" in str(broken):
                raise LedgerUnavailable(f"another process has {path} open: {broken}") from None
            _log.error("index %s cannot be opened (%s); rebuilding it from the segments", path, broken)
        _remove(path)
        connection = _connect(path, memory_limit_mb)
        _create(connection)
        return cls(connection, path)

    @staticmethod
    def discard(path: Path) -> None:
        """Delete an index that nobody has open."""
        _remove(path)

    def applied(self) -> frozenset[str]:
        return self._applied

    def append(self, segment: str, rows: pa.Table) -> None:
        if segment in self._applied:
            return
        with _Transaction(self._connection) as writer:
            writer.register("batch", rows)
            writer.execute("insert into rows select * from batch")
            writer.execute(f"insert into rollup {ROLLUP_FROM_ROWS}")
            writer.execute("insert or ignore into tag_names select distinct unnest(map_keys(tags)) from batch")
            writer.execute("insert into applied values (?)", [segment])
            writer.unregister("batch")
        self._applied |= {segment}
        self._merge_rollup_when_due(rows)

    def rename(self, segments: Collection[str], merged: str) -> None:
        missing = set(segments) - self._applied
        if missing:
            raise KeyError(f"segment {min(missing)} is not in the index")
        with _Transaction(self._connection) as writer:
            writer.execute("delete from applied where name in (select unnest(?))", [list(segments)])
            writer.execute("insert into applied values (?)", [merged])
        self._applied = self._applied - set(segments) | {merged}

    def day_sums(self, day: str) -> pa.Table:
        wide = ", ".join(f"{name}::decimal(38, 0) as {name}" for name in MEASURES)
        kept = ", ".join(f'"{name}"' for name in ROLLUP_DIMENSIONS)
        start_us = day_start_us(day)
        # Parquet has no 128-bit integer; DuckDB would write one as a float.
        return (
            self._connection.cursor()
            .sql(
                f'select "at", {kept}, {wide} from ({ROLLUP_MERGED} where {_within(start_us, start_us + DAY_US)}'
                f" {ROLLUP_GROUPS}) where attempts <> 0 order by all"
            )
            .to_arrow_table()
        )

    def restore_day_sums(self, day: str, sums: pa.Table) -> None:
        if day in self._applied:
            return
        with _Transaction(self._connection) as writer:
            writer.register("batch", sums)
            writer.execute(f"insert into rollup ({ROLLUP_COLUMNS}) select {_kept(sums.column_names)} from batch")
            writer.execute("insert into applied values (?)", [day])
            writer.unregister("batch")
        self._applied |= {day}

    def drop_day(self, day: str, segments: Collection[str]) -> None:
        start_us = day_start_us(day)
        with _Transaction(self._connection) as writer:
            writer.execute(f"delete from rows where {_within(start_us, start_us + DAY_US)}")
            writer.execute("delete from applied where name in (select unnest(?))", [list(segments)])
            writer.execute("insert or ignore into applied values (?)", [day])
        self._applied = self._applied - set(segments) | {day}

    def present(self, keys: Collection[AttemptKey]) -> Mapping[AttemptKey, Row]:
        return _present(self._connection.cursor(), keys)

    def report(self, question: ReportQuestion) -> Report:
        reader = self._connection.cursor()
        statement = report_statement(question, _tag_names(reader))
        found = reader.execute(statement.sql, statement.parameters).fetchall()
        total, groups, rows = Measures(), 0, []
        for is_total, count, *values in found:
            measures = measures_of(dict(zip(MEASURES, values[len(question.by) :], strict=True)))
            if is_total:
                total, groups = measures, count
            else:
                rows.append(ReportRow(_group(question.by, values), measures))
        return Report(question.by, tuple(rows), total, groups, self._lacks_before(statement.reads_rows_from_us))

    def explain(self, call_id: str) -> tuple[AttemptRow, ...]:
        reader = self._connection.cursor()
        # Of several calls with one response id, the first made the response and later ones retrieved it.
        by_response = 'select call_id from rows where response_id = ? order by "at", call_id limit 1'
        for call in ("?", by_response):
            found = reader.execute(
                f"select {_ROW_LIST} from rows where call_id = ({call}) order by attempt, revision, weight", [call_id]
            ).fetchall()
            if found:
                break
        return tuple(map(attempt_row, rows_of(found)))

    def newest(self, question: NewestQuestion) -> tuple[AttemptRow, ...]:
        reader = self._connection.cursor()
        condition, parameters = filter_condition(question.filters, _tag_names(reader))
        if question.before_us is not None:
            condition += f' and "at" < make_timestamp({int(question.before_us)}::bigint)'
        if question.after is not None:
            at_us, call_id, attempt = question.after
            condition += (
                f' and "at" <= make_timestamp({int(at_us)}::bigint)'
                ' and (epoch_us("at"), call_id, attempt) < ($at, $call, $attempt)'
            )
            parameters |= {"at": at_us, "call": call_id, "attempt": attempt}
        order = '"at" desc, call_id desc, attempt desc'
        return _present_page(reader, _Selection(condition, parameters, order, question.limit))

    def reprice_candidates(self, question: CandidatesQuestion) -> CandidatesPage:
        after_us, after_call, after_attempt = question.after or (question.since_us, "", 0)
        condition = (
            f'"at" >= make_timestamp({int(max(after_us, question.since_us))}::bigint)'
            ' and (epoch_us("at"), call_id, attempt) > ($at, $call, $attempt)'
        )
        if question.until_us is not None:
            condition += f' and "at" < make_timestamp({int(question.until_us)}::bigint)'
        if question.only_unpriced:
            condition += " and price_status = 'unpriced'"
        parameters: dict[str, object] = {"at": after_us, "call": after_call, "attempt": after_attempt}
        selection = _Selection(condition, parameters, '"at", call_id, attempt', question.limit)
        return CandidatesPage(_present_page(self._connection.cursor(), selection))

    def charges(self, question: ChargesQuestion) -> Charges:
        reader = self._connection.cursor()
        statement = charges_statement(question, _tag_names(reader))
        found = reader.execute(statement.sql, statement.parameters).fetchall()
        rows = tuple(
            Charge(tuple(group), bucket, pico, tokens, attempts) for bucket, pico, tokens, attempts, *group in found
        )
        return Charges(rows, lacks_before_us=self._lacks_before(statement.reads_rows_from_us))

    def velocities(self, question: VelocitiesQuestion) -> Velocities:
        statement, parameters = velocities_statement(question)
        found = self._connection.cursor().execute(statement, parameters).fetchall()
        return Velocities(tuple(Velocity(task_type, int(pico), parts) for task_type, pico, parts in found))

    def health(self) -> StoreHealth:
        reader = self._connection.cursor()
        rows, rollups = reader.execute("select (select count(*) from rows), (select count(*) from rollup)").fetchall()[
            0
        ]
        return StoreHealth(rows, rollups, len(self._applied), self._path.stat().st_size)

    def close(self) -> None:
        self._connection.close()

    def _lacks_before(self, reads_rows_from_us: int | None) -> int | None:
        dropped = [name for name in self._applied if _DAY.fullmatch(name)]
        if reads_rows_from_us is None or not dropped:
            return None
        end_us = day_start_us(max(dropped)) + DAY_US
        return end_us if reads_rows_from_us < end_us else None

    def _merge_rollup_when_due(self, rows: pa.Table) -> None:
        hours = pc.unique(pc.floor_temporal(rows["at"], unit="hour")).to_pylist()
        self._touched_hours |= set(hours)
        self._unmerged += 1
        if self._unmerged < MERGE_AFTER_BATCHES:
            return
        with _Transaction(self._connection) as writer:
            touched = '"at" in (select unnest($hours::timestamp[]))'
            hours = {"hours": sorted(self._touched_hours)}
            writer.execute(f"create temp table merged as {ROLLUP_MERGED} where {touched} {ROLLUP_GROUPS}", hours)
            writer.execute(f"delete from rollup where {touched}", hours)
            writer.execute("insert into rollup select * from merged where attempts <> 0")
            writer.execute("drop table merged")
        self._unmerged = 0
        self._touched_hours = set()


def attempt_row(row: Row) -> AttemptRow:
    """A stored row as people read it."""
    promoted = ((name, getattr(row, name)) for name in PROMOTED_TAGS)
    tags = dict(sorted([*row.tags, *((name, value) for name, value in promoted if value is not None)]))
    same = {name: getattr(row, name) for name in AttemptRow.__struct_fields__ if name not in _TRANSLATED}
    return AttemptRow(
        **same,
        tags=tags,
        usage={Meter(meter).label: quantity for meter, quantity in row.usage},
        cost=row.cost_pico,
        list_cost=row.list_cost_pico,
        provider_cost=row.provider_cost_pico,
        bound=row.bound_pico,
        lines=row.cost_lines,
        parts=row.model_parts,
    )


_TRANSLATED: Final = frozenset({"tags", "usage", "cost", "list_cost", "provider_cost", "bound", "lines", "parts"})

_INSTANTS: Final = frozenset({"at", "recorded_at"})
_ROW_LIST: Final = ", ".join(f'epoch_us("{name}")' if name in _INSTANTS else f'"{name}"' for name in COLUMNS)


class _Selection(Struct, frozen=True):
    """Which rows, in which order, how many."""

    condition: str
    parameters: dict[str, object]
    order: str
    limit: int


def _present_page(reader: duckdb.DuckDBPyConnection, selection: _Selection) -> tuple[AttemptRow, ...]:
    """The first present rows of a selection.

    Narrow columns are ordered first and whole rows fetched for those alone; a row that a correction has taken back is
    told by its revision. (One statement with an anti-join takes four times as long at a million rows.)
    """
    rows: list[Row] = []
    skipped = 0
    with _Transaction(reader):
        while len(rows) < selection.limit:
            found = reader.execute(
                f"select call_id, attempt, revision from rows where {selection.condition} and weight > 0"
                f" order by {selection.order}, revision limit {int(selection.limit)} offset {skipped}",
                selection.parameters,
            ).fetchall()
            present = _present(reader, {(call_id, attempt) for call_id, attempt, _ in found})
            candidates = ((present[call_id, attempt], revision) for call_id, attempt, revision in found)
            rows.extend(row for row, revision in candidates if row.revision == revision)
            skipped += len(found)
            if len(found) < selection.limit:
                break
    return tuple(map(attempt_row, rows[: selection.limit]))


def _present(reader: duckdb.DuckDBPyConnection, keys: Collection[AttemptKey]) -> dict[AttemptKey, Row]:
    if not keys:
        return {}
    calls, attempts = zip(*keys, strict=True)
    wanted = pa.table({"call_id": pa.array(calls, pa.string()), "attempt": pa.array(attempts, pa.int32())})
    reader.register("wanted", wanted)
    found = reader.execute(
        f"select {_ROW_LIST} from rows semi join wanted using (call_id, attempt) where weight > 0"
        " qualify row_number() over (partition by call_id, attempt order by revision desc) = 1"
    ).fetchall()
    reader.unregister("wanted")
    return {row.attempt_key: row for row in rows_of(found)}


def _kept(columns: Collection[str]) -> str:
    """The columns of kept sums; one that an older version did not keep is "not set", or counted nothing.

    What that version charged is best known as what is known to have been spent.
    """
    missing = dict.fromkeys(ROLLUP_DIMENSIONS, "null") | dict.fromkeys(MEASURES, "0") | {"charge": "cost"}
    listed = (f'"{name}"' if name in columns else f'{missing[name]} as "{name}"' for name in ("at", *missing))
    return ", ".join(listed)


class _Transaction:
    """All statements or none; the connection is usable afterwards either way."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        self._connection.execute("begin")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._connection.execute("commit" if kind is None else "rollback")


def _connect(path: Path, memory_limit_mb: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        str(path),
        config={
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": "2",
            "wal_autocheckpoint": "64MB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    connection.execute("set enable_external_access = false")
    return connection


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    with _Transaction(connection) as writer:
        writer.register("batch", SCHEMA.empty_table())
        writer.execute("create table rows as select * from batch")
        writer.execute(f"create table rollup as {ROLLUP_FROM_ROWS}")
        writer.execute("create table applied (name varchar primary key)")
        writer.execute("create table tag_names (name varchar primary key)")
        writer.execute("create table version (number integer)")
        writer.execute("insert into version values (?)", [SCHEMA_VERSION])
        writer.unregister("batch")


def _has_this_schema(connection: duckdb.DuckDBPyConnection) -> bool:
    tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    if not tables:
        _create(connection)
        return True
    if "version" not in tables:
        return False
    return connection.execute("select number from version").fetchall() == [(SCHEMA_VERSION,)]


def _remove(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}.wal")):
        one.unlink(missing_ok=True)


def _tag_names(reader: duckdb.DuckDBPyConnection) -> frozenset[str]:
    return frozenset(name for (name,) in reader.execute("select name from tag_names").fetchall())


def _within(start_us: int, end_us: int) -> str:
    return f'"at" >= make_timestamp({start_us}::bigint) and "at" < make_timestamp({end_us}::bigint)'


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BUCKET_FORMATS: Final = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


def _group(by: Sequence[str], values: Sequence[Any]) -> tuple[Value, ...]:
    return tuple(
        (_EPOCH + timedelta(microseconds=value)).strftime(_BUCKET_FORMATS[name]) if name in _BUCKET_FORMATS else value
        for name, value in zip(by, values, strict=False)
    )
