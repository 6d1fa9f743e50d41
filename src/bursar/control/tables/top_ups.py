"""Top-ups of budgets."""

from typing import Final

from bursar.control.database import Database, Row, Sql, decoded, encoded, maybe_whole, whole
from bursar.control.tables.audit import note
from bursar.control.values import Author, NoSuchName, TopUp, TopUpRecord
from bursar.errors import ControlUnavailable
from bursar.money import Pico

_COLUMNS: Final = "id, budget, account, pico, tokens, from_us, until_us, reason, made_us, made_by, cancelled_us"


class TopUpTable:
    """`bursar.control.state.TopUps`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self, at_us: int) -> tuple[TopUpRecord, ...]:
        with self._database.reading() as sql:
            rows = sql.rows(
                f"SELECT {_COLUMNS} FROM top_ups WHERE cancelled_us IS NULL AND (until_us IS NULL OR until_us > ?) "
                "ORDER BY id",
                at_us,
            )
        return tuple(_record(row) for row in rows)

    def newest(self, *, budget: str | None = None, limit: int) -> tuple[TopUpRecord, ...]:
        chosen, values = ("", ()) if budget is None else ("WHERE budget = ?", (budget,))
        with self._database.reading() as sql:
            rows = sql.rows(f"SELECT {_COLUMNS} FROM top_ups {chosen} ORDER BY id DESC LIMIT ?", *values, limit)
        return tuple(_record(row) for row in rows)

    def add(self, top_up: TopUp, author: Author) -> TopUpRecord:
        with self._database.writing("rules") as sql:
            number = _next_id(sql)
            sql.run(
                f"INSERT INTO top_ups ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                number,
                top_up.budget,
                None if top_up.account is None else encoded(top_up.account),
                None if top_up.pico is None else str(top_up.pico),
                top_up.tokens,
                top_up.from_us,
                top_up.until_us,
                top_up.reason,
                author.at_us,
                author.name,
            )
            note(sql, author, "budget.top_up", top_up.budget, before=None, after=encoded(top_up))
            return _get(sql, number)

    def cancel(self, number: int, author: Author) -> TopUpRecord:
        with self._database.writing("rules") as sql:
            before = _get(sql, number)
            if before.cancelled_us is not None:
                raise NoSuchName(f"the top-up {number} was cancelled before")
            sql.run("UPDATE top_ups SET cancelled_us = ? WHERE id = ?", author.at_us, number)
            top_up = before.top_up
            note(sql, author, "budget.top_up.cancel", top_up.budget, before=encoded(top_up), after=None)
            return _get(sql, number)


def _next_id(sql: Sql) -> int:
    row = sql.row("SELECT COALESCE(MAX(id), 0) + 1 FROM top_ups")
    return whole(row[0] if row else None)


def _get(sql: Sql, number: int) -> TopUpRecord:
    row = sql.row(f"SELECT {_COLUMNS} FROM top_ups WHERE id = ?", number)
    if row is None:
        raise NoSuchName(f"there is no top-up {number}")
    return _record(row)


def _record(row: Row) -> TopUpRecord:
    number, budget, account, pico, tokens, from_us, until_us, reason, made_us, made_by, cancelled_us = row
    return TopUpRecord(
        id=whole(number),
        top_up=TopUp(
            budget=str(budget),
            account=None if account is None else decoded(account, tuple[str, ...]),
            pico=None if pico is None else _money(str(pico)),
            tokens=maybe_whole(tokens),
            from_us=whole(from_us),
            until_us=maybe_whole(until_us),
            reason=str(reason),
        ),
        made_us=whole(made_us),
        made_by=str(made_by),
        cancelled_us=maybe_whole(cancelled_us),
    )


def _money(text: str) -> Pico:
    try:
        return Pico(int(text))
    except ValueError:
        raise ControlUnavailable(f"a row of the control state has {text!r} where money belongs") from None
