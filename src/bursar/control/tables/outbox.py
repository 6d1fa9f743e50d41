"""Deliveries of alerts: what each channel has to be told, and how telling it went."""

from collections.abc import Sequence
from typing import Final

from bursar.control.database import Database, Row, Sql, Value, maybe_text, maybe_whole, whole
from bursar.control.values import EVENTS, Delivery, Event
from bursar.errors import ControlUnavailable

_COLUMNS: Final = "id, alert_id, channel, event, attempts, next_us, delivered_us, problem"


class OutboxTable:
    """`bursar.control.state.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, channel: str, *, at_us: int) -> int | None:
        with self._database.reading() as sql:
            row = sql.row(
                "SELECT id FROM deliveries WHERE channel = ? AND next_us <= ? ORDER BY next_us, id LIMIT 1",
                channel,
                at_us,
            )
        return None if row is None else whole(row[0])

    def claim(self, number: int, *, at_us: int, until_us: int) -> Delivery | None:
        with self._database.writing("alerts") as sql:
            claimed = sql.run(
                "UPDATE deliveries SET attempts = attempts + 1, next_us = ? WHERE id = ? AND next_us <= ?",
                until_us,
                number,
                at_us,
            )
            row = sql.row(f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?", number) if claimed else None
            return None if row is None else _delivery(row)

    def delivered(self, number: int, *, at_us: int) -> None:
        with self._database.writing("alerts") as sql:
            sql.run(
                "UPDATE deliveries SET delivered_us = ?, next_us = NULL WHERE id = ? AND delivered_us IS NULL",
                at_us,
                number,
            )

    def failed(self, number: int, *, problem: str, next_us: int | None) -> None:
        with self._database.writing("alerts") as sql:
            sql.run(
                "UPDATE deliveries SET problem = ?, next_us = ? WHERE id = ? AND delivered_us IS NULL",
                problem,
                next_us,
                number,
            )

    def about(self, alerts: Sequence[int]) -> tuple[Delivery, ...]:
        if not alerts:
            return ()
        marks = ", ".join("?" * len(alerts))
        with self._database.reading() as sql:
            rows = sql.rows(f"SELECT {_COLUMNS} FROM deliveries WHERE alert_id IN ({marks}) ORDER BY id", *alerts)
        return tuple(_delivery(row) for row in rows)


def queue(sql: Sql, alert: int, event: Event, channels: Sequence[str], *, at_us: int) -> None:
    """Enter a delivery for each channel, due at once, into the transaction that changes the alert."""
    for channel in dict.fromkeys(channels):
        row = sql.row("SELECT COALESCE(MAX(id), 0) + 1 FROM deliveries")
        sql.run(
            "INSERT INTO deliveries (id, alert_id, channel, event, attempts, next_us) VALUES (?, ?, ?, ?, 0, ?)",
            whole(row[0] if row else None),
            alert,
            channel,
            event,
            at_us,
        )


def _delivery(row: Row) -> Delivery:
    number, alert, channel, event, attempts, next_us, delivered_us, problem = row
    return Delivery(
        id=whole(number),
        alert=whole(alert),
        channel=str(channel),
        event=_event(event),
        attempts=whole(attempts),
        next_us=maybe_whole(next_us),
        delivered_us=maybe_whole(delivered_us),
        problem=maybe_text(problem),
    )


def _event(value: Value) -> Event:
    for event in EVENTS:
        if value == event:
            return event
    raise ControlUnavailable(f"a row of the control state has {value!r} where an event belongs")
