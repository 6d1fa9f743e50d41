"""The audit log: appended to by the other tables, inside their own transactions."""

from bursar.control.database import Database, Row, Sql, maybe_text, whole
from bursar.control.values import AuditEntry, Author

_COLUMNS = "id, at_us, actor, action, subject, before_json, after_json"


def note(sql: Sql, author: Author, action: str, subject: str, *, before: str | None, after: str | None) -> None:
    """Append one entry to the log; ``before`` and ``after`` are JSON and hold no secret."""
    sql.run(
        f"INSERT INTO audit_log ({_COLUMNS}) SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ?, ?, ? FROM audit_log",
        author.at_us,
        author.name,
        action,
        subject,
        before,
        after,
    )


class AuditTable:
    """`bursar.control.state.AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, *, subject: str | None = None, before: int | None = None, limit: int) -> tuple[AuditEntry, ...]:
        conditions, values = ["1 = 1"], []
        for condition, value in (("subject = ?", subject), ("id < ?", before)):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        statement = f"SELECT {_COLUMNS} FROM audit_log WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        with self._database.reading() as sql:
            rows = sql.rows(statement, *values, limit)
        return tuple(_entry(row) for row in rows)


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(
        id=whole(row[0]),
        at_us=whole(row[1]),
        actor=str(row[2]),
        action=str(row[3]),
        subject=str(row[4]),
        before=maybe_text(row[5]),
        after=maybe_text(row[6]),
    )
