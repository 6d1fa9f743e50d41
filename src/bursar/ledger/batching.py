"""From rows to one table a day, and what cannot go into any. Pure."""

from collections.abc import Sequence

import pyarrow as pa
from msgspec import Struct

from bursar.ledger.columns import table_of
from bursar.ledger.layout import day_of
from bursar.ledger.row import Row


class Reject(Struct, frozen=True):
    """A row that fits no table, and why."""

    row: Row
    reason: str


class Batch(Struct, frozen=True):
    """Rows ready to be written."""

    tables: dict[str, pa.Table]
    """By UTC day, in order; none is empty."""
    expired: tuple[Row, ...]
    """Rows of days that retention has already dropped."""
    rejects: tuple[Reject, ...]


def batch_of(rows: Sequence[Row], *, dropped_before: str) -> Batch:
    """Sort rows into days. One impossible value rejects its own row and no other."""
    days: dict[str, list[Row]] = {}
    expired: list[Row] = []
    rejects: list[Reject] = []
    for row in rows:
        try:
            day = day_of(row.at_us)
        except OverflowError:
            rejects.append(Reject(row, f"its time of {row.at_us} µs is outside the years 1 to 9999"))
            continue
        if day < dropped_before:
            expired.append(row)
        else:
            days.setdefault(day, []).append(row)
    tables = {day: _table(days[day], rejects) for day in sorted(days)}
    return Batch({day: table for day, table in tables.items() if table.num_rows}, tuple(expired), tuple(rejects))


def _table(rows: Sequence[Row], rejects: list[Reject]) -> pa.Table:
    try:
        return table_of(rows)
    except (OverflowError, pa.ArrowInvalid):
        return table_of([row for row in rows if _fits(row, rejects)])


def _fits(row: Row, rejects: list[Reject]) -> bool:
    try:
        table_of([row])
    except (OverflowError, pa.ArrowInvalid) as misfit:
        rejects.append(Reject(row, str(misfit)))
        return False
    return True
