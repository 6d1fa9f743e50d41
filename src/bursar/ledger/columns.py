"""Rows as Arrow columns: the one schema of segments and index.

Columns follow the fields of `Row`, then one whole-number column a meter, null where the meter was not used (32 mostly
empty columns cost next to nothing in Parquet and let every meter be summed without unpacking). Instants are timestamps
without a zone and always UTC, so that no reader's session zone can shift them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
from msgspec import structs

from bursar.ledger.row import Row
from bursar.usage import Meter

_TEXT: Final = pa.string()
_COUNT: Final = pa.int64()

_TYPES: Final[dict[str, pa.DataType]] = {
    "attempt": pa.int32(),
    "revision": pa.int32(),
    "weight": pa.int8(),
    "at": pa.timestamp("us"),
    "recorded_at": pa.timestamp("us"),
    "tags": pa.map_(_TEXT, _TEXT),
    "stream": pa.bool_(),
    "status": pa.int32(),
    "cost_pico": _COUNT,
    "list_cost_pico": _COUNT,
    "provider_cost_pico": _COUNT,
    "bound_pico": _COUNT,
    "bound_tokens": _COUNT,
    "conditions": pa.map_(_TEXT, _TEXT),
    "parts": pa.binary(),
    "lines": pa.binary(),
    "decisions": pa.list_(_TEXT),
    "sent_us": _COUNT,
    "first_byte_us": _COUNT,
    "last_byte_us": _COUNT,
    "total_us": _COUNT,
    "request_bytes": _COUNT,
    "response_bytes": _COUNT,
}
"""Every column that is not text."""

_COLUMN_OF_FIELD: Final = {"at_us": "at", "recorded_us": "recorded_at"}

ROW_COLUMNS: Final = tuple(_COLUMN_OF_FIELD.get(field, field) for field in Row.__struct_fields__ if field != "usage")
METER_COLUMNS: Final = tuple(meter.label for meter in Meter)
COLUMNS: Final = ROW_COLUMNS + METER_COLUMNS

SCHEMA: Final = pa.schema(
    [(name, _TYPES.get(name, _TEXT)) for name in ROW_COLUMNS] + [(name, _COUNT) for name in METER_COLUMNS]
)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table.

    Raises OverflowError or pyarrow.ArrowInvalid when a value does not fit its column, such as an amount past 64 bits.
    """
    if not rows:
        return SCHEMA.empty_table()
    *fields, usages = zip(*map(structs.astuple, rows), strict=True)
    arrays = [pa.array(values, type=SCHEMA.field(name).type) for name, values in zip(ROW_COLUMNS, fields, strict=True)]
    return pa.Table.from_arrays(arrays + _meter_arrays(usages, len(rows)), schema=SCHEMA)


def rows_of(values: Iterable[Sequence[Any]]) -> list[Row]:
    """Rows from tuples in `COLUMNS` order, instants as integers of microseconds and pairs as mappings.

    Columns that a row is older than are null and come back as what they then meant: nothing.
    """
    return [_row_of(one) for one in values]


def _meter_arrays(usages: Sequence[tuple[tuple[int, int], ...]], count: int) -> list[pa.Array]:
    columns: dict[int, list[int | None]] = {}
    for position, usage in enumerate(usages):
        for meter, quantity in usage:
            column = columns.get(meter)
            if column is None:
                column = columns[meter] = [None] * count
            column[position] = quantity
    unknown = columns.keys() - set(Meter)
    if unknown:
        raise OverflowError(f"meter {min(unknown)} is not known to this version; the newest is {max(Meter)}")
    return [pa.array(columns[meter], type=_COUNT) if meter in columns else pa.nulls(count, _COUNT) for meter in Meter]


_PAIRS: Final = (ROW_COLUMNS.index("tags"), ROW_COLUMNS.index("conditions"))
_PARTS: Final = ROW_COLUMNS.index("parts")
_DECISIONS: Final = ROW_COLUMNS.index("decisions")


def _row_of(values: Sequence[Any]) -> Row:
    fields = list(values[: len(ROW_COLUMNS)])
    for position in _PAIRS:
        fields[position] = tuple(dict(fields[position] or {}).items())
    fields[_PARTS] = fields[_PARTS] or b""
    fields[_DECISIONS] = tuple(fields[_DECISIONS])
    meters = values[len(ROW_COLUMNS) :]
    usage = tuple((int(meter), meters[meter]) for meter in Meter if meters[meter] is not None)
    names = (name for name in Row.__struct_fields__ if name != "usage")
    return Row(**dict(zip(names, fields, strict=True)), usage=usage)
