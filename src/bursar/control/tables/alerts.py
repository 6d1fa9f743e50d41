"""Alerts."""

from typing import Final

from bursar.control.database import Database, Row, Sql, Value, decoded, encoded, maybe_text, maybe_whole, whole
from bursar.control.values import SEVERITIES, Alert, AlertRecord, Fact, NoSuchName, Severity
from bursar.errors import ControlUnavailable

_COLUMNS: Final = "id, once_key, kind, severity, subject, message, data, at_us, resolved_us"


class AlertTable:
    """`bursar.control.state.Alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, *, before: int | None = None, limit: int) -> tuple[AlertRecord, ...]:
        earlier, values = ("", ()) if before is None else ("WHERE id < ?", (before,))
        return self._rows(f"SELECT {_COLUMNS} FROM alerts {earlier} ORDER BY id DESC LIMIT ?", *values, limit)

    def following(self, number: int, *, limit: int) -> tuple[AlertRecord, ...]:
        return self._rows(f"SELECT {_COLUMNS} FROM alerts WHERE id > ? ORDER BY id LIMIT ?", number, limit)

    def append(self, alert: Alert) -> AlertRecord:
        with self._database.writing("alerts") as sql:
            return _insert(sql, None, alert)

    def raise_once(self, key: str, alert: Alert) -> AlertRecord | None:
        # Asked first without a transaction: most calls find the alert there, and need not wait for writers.
        with self._database.reading() as sql:
            if _is_raised(sql, key):
                return None
        with self._database.writing("alerts") as sql:
            return None if _is_raised(sql, key) else _insert(sql, key, alert)

    def resolve(self, number: int, *, at_us: int) -> AlertRecord:
        with self._database.writing("alerts") as sql:
            sql.run("UPDATE alerts SET resolved_us = ? WHERE id = ? AND resolved_us IS NULL", at_us, number)
            row = sql.row(f"SELECT {_COLUMNS} FROM alerts WHERE id = ?", number)
            if row is None:
                raise NoSuchName(f"there is no alert {number}")
            return _record(row)

    def _rows(self, statement: str, *values: int) -> tuple[AlertRecord, ...]:
        with self._database.reading() as sql:
            rows = sql.rows(statement, *values)
        return tuple(_record(row) for row in rows)


def _is_raised(sql: Sql, key: str) -> bool:
    return sql.row("SELECT 1 FROM alerts WHERE once_key = ?", key) is not None


def _insert(sql: Sql, key: str | None, alert: Alert) -> AlertRecord:
    row = sql.row("SELECT COALESCE(MAX(id), 0) + 1 FROM alerts")
    number = whole(row[0] if row else None)
    sql.run(
        f"INSERT INTO alerts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        number,
        key,
        alert.kind,
        alert.severity,
        alert.subject,
        alert.message,
        encoded(alert.data),
        alert.at_us,
    )
    return AlertRecord(id=number, alert=alert, key=key)


def _severity(value: Value) -> Severity:
    for severity in SEVERITIES:
        if value == severity:
            return severity
    raise ControlUnavailable(f"a row of the control state has {value!r} where a severity belongs")


def _record(row: Row) -> AlertRecord:
    number, key, kind, severity, subject, message, data, at_us, resolved_us = row
    return AlertRecord(
        id=whole(number),
        alert=Alert(
            kind=str(kind),
            severity=_severity(severity),
            subject=str(subject),
            message=str(message),
            at_us=whole(at_us),
            data=decoded(data, dict[str, Fact]),
        ),
        key=maybe_text(key),
        resolved_us=maybe_whole(resolved_us),
    )
