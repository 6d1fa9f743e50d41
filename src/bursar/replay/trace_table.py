"""Traces as tables: CSV or TSV with a header line."""

import csv
from collections.abc import Iterable, Iterator

from bursar.replay.trace_columns import (
    INPUT_TOKENS,
    MODEL,
    OUTPUT_TOKENS,
    TASK,
    TIME,
    locate,
    seconds,
    tag_columns,
    tokens,
)
from bursar.replay.trace_request import TraceError, TraceRequest


def read_table(lines: Iterable[str], *, source: str, delimiter: str) -> Iterator[TraceRequest]:
    """The requests of a table; times are relative to its first row. Raises TraceError naming line and column."""
    rows = csv.DictReader(lines, delimiter=delimiter, restkey="", restval=None)
    names = rows.fieldnames or ()
    columns = locate(names, source=source, line=1)
    tags = tag_columns(names)
    first: float | None = None
    for row in rows:
        at = f"{source}:{rows.line_num}"
        if None in row.values() or "" in row:
            raise TraceError(f"{at}: the row has not as many fields as the header ({len(names)}); fill or quote them")
        when = seconds(row[columns[TIME]], where=f"{at}, column {columns[TIME]}")
        first = when if first is None else first
        yield TraceRequest(
            at_s=when - first,
            input_tokens=tokens(row[columns[INPUT_TOKENS]], where=f"{at}, column {columns[INPUT_TOKENS]}"),
            output_tokens=tokens(row[columns[OUTPUT_TOKENS]], where=f"{at}, column {columns[OUTPUT_TOKENS]}"),
            model=_optional(row, columns.get(MODEL)),
            task=_optional(row, columns.get(TASK)),
            tags=tuple(sorted((tag, row[name]) for tag, name in tags.items() if row[name])),
        )


def _optional(row: dict[str, str], column: str | None) -> str | None:
    return row[column] or None if column else None
