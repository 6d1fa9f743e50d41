"""Alerts."""

from collections.abc import Sequence
from typing import Final

from bursar.control.database import Database, Row, Sql, Value, decoded, encoded, maybe_text, maybe_whole, whole
from bursar.control.tables.outbox import queue
from bursar.control.values import SEVERITIES, Alert, AlertRecord, Fact, NoSuchName, Severity
from bursar.errors import ControlUnavailable

_COLUMNS: Final = "id, once_key, kind, severity, subject, message, data, at_us, resolved_us, ends_us"

_OPEN: Final = "resolved_us IS NULL"


class AlertTable:
    """`bursar.control.state.Alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> AlertRecord | None:
        found = self._rows(f"SELECT {_COLUMNS} FROM alerts WHERE id = ?", number)
        return found[0] if found else None

    def newest(self, *, before: int | None = None, limit: int, only_open: bool = False) -> tuple[AlertRecord, ...]:
        earlier, values = ("1 = 1", ()) if before is None else ("id < ?", (before,))
        wanted = f"{earlier} AND {_OPEN}" if only_open else earlier
        return self._rows(f"SELECT {_COLUMNS} FROM alerts WHERE {wanted} ORDER BY id DESC LIMIT ?", *values, limit)

    def unresolved(self, *, kind: str | None = None, after: int = 0, limit: int) -> tuple[AlertRecord, ...]:
        chosen, values = ("", ()) if kind is None else ("AND kind = ?", (kind,))
        return self._rows(
            f"SELECT {_COLUMNS} FROM alerts WHERE {_OPEN} AND id > ? {chosen} ORDER BY id LIMIT ?",
            after,
            *values,
            limit,
        )

    def ended(self, at_us: int, *, limit: int) -> tuple[AlertRecord, ...]:
        return self._rows(
            f"SELECT {_COLUMNS} FROM alerts WHERE {_OPEN} AND ends_us <= ? ORDER BY ends_us LIMIT ?", at_us, limit
        )

    def append(self, alert: Alert, *, to: Sequence[str] = ()) -> AlertRecord:
        with self._database.writing("alerts") as sql:
            return _insert(sql, None, alert, to)

    def raise_once(self, key: str, alert: Alert, *, to: Sequence[str] = ()) -> AlertRecord | None:
        # Asked first without a transaction: most calls find the alert there, and need not wait for writers.
        with self._database.reading() as sql:
            if _is_raised(sql, key):
                return None
        with self._database.writing("alerts") as sql:
            return None if _is_raised(sql, key) else _insert(sql, key, alert, to)

    def resolve(self, number: int, *, at_us: int) -> AlertRecord:
        with self._database.writing("alerts") as sql:
            if sql.run(f"UPDATE alerts SET resolved_us = ? WHERE id = ? AND {_OPEN}", at_us, number):
                told = sql.rows(
                    "SELECT channel FROM deliveries WHERE alert_id = ? AND event = 'raised' ORDER BY id", number
                )
                queue(sql, number, "resolved", [str(row[0]) for row in told], at_us=at_us)
            row = sql.row(f"SELECT {_COLUMNS} FROM alerts WHERE id = ?", number)
            if row is None:
                raise NoSuchName(f"there is no alert {number}")
            return _record(row)

    def _rows(self, statement: str, *values: Value) -> tuple[AlertRecord, ...]:
        with self._database.reading() as sql:
            rows = sql.rows(statement, *values)
        return tuple(_record(row) for row in rows)


def _is_raised(sql: Sql, key: str) -> bool:
    return sql.row("SELECT 1 FROM alerts WHERE once_key = ?", key) is not None


def _insert(sql: Sql, key: str | None, alert: Alert, to: Sequence[str]) -> AlertRecord:
    row = sql.row("SELECT COALESCE(MAX(id), 0) + 1 FROM alerts")
    number = whole(row[0] if row else None)
    sql.run(
        f"INSERT INTO alerts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
        number,
        key,
        alert.kind,
        alert.severity,
        alert.subject,
        alert.message,
        encoded(alert.data),
        alert.at_us,
        alert.ends_us,
    )
    queue(sql, number, "raised", to, at_us=alert.at_us)
    return AlertRecord(id=number, alert=alert, key=key)


def _severity(value: Value) -> Severity:
    for severity in SEVERITIES:
        if value == severity:
            return severity
    raise ControlUnavailable(f"a row of the control state has {value!r} where a severity belongs")


def _record(row: Row) -> AlertRecord:
    number, key, kind, severity, subject, message, data, at_us, resolved_us, ends_us = row
    return AlertRecord(
        id=whole(number),
        alert=Alert(
            kind=str(kind),
            severity=_severity(severity),
            subject=str(subject),
            message=str(message),
            at_us=whole(at_us),
            data=decoded(data, dict[str, Fact]),
            ends_us=maybe_whole(ends_us),
        ),
        key=maybe_text(key),
        resolved_us=maybe_whole(resolved_us),
    )
