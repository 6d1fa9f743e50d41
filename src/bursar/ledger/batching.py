"""From rows to one table a day, and what cannot go into any. Pure."""

from collections.abc import Sequence

import pyarrow as pa
from msgspec import Struct

from bursar.ledger.columns import table_of
from bursar.ledger.layout import DAY_US, day_of
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
    by_number: dict[int, list[Row]] = {}
    for row in rows:
        by_number.setdefault(row.at_us // DAY_US, []).append(row)
    tables: dict[str, pa.Table] = {}
    expired: list[Row] = []
    rejects: list[Reject] = []
    for number in sorted(by_number):
        some = by_number[number]
        try:
            day = day_of(number * DAY_US)
        except OverflowError:
            rejects.extend(Reject(row, f"its time of {row.at_us} µs is outside the years 1 to 9999") for row in some)
            continue
        if day < dropped_before:
            expired.extend(some)
        elif (table := _table(some, rejects)).num_rows:
            tables[day] = table
    return Batch(tables, tuple(expired), tuple(rejects))


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
