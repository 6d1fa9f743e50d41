"""A `ReportQuestion` as SQL over rows, hourly sums, or both.

Whole hours are read from the sums and the ragged ends of the window from the rows, whenever every dimension and filter
of the question is kept in the sums; otherwise everything is read from the rows. Names come from closed sets and every
value is a parameter.
"""

from typing import Final

from msgspec import Struct

from bursar.ledger.duckdb_schema import INTERNAL, MEASURES, ROLLUP_DIMENSIONS, ROLLUP_SUMS, ROW_SUMS
from bursar.ledger.layout import HOUR_US
from bursar.ledger.questions import COLUMN_DIMENSIONS, TAG_PREFIX, TIME_DIMENSIONS, QuestionError, ReportQuestion
from bursar.ledger.row import TAG_COLUMNS

_EARLIEST_US: Final = -62_135_596_800_000_000
_LATEST_US: Final = 253_402_300_800_000_000
"""Years 1 to 9999, so that open windows are ordinary ones."""

_FILTER_FORMATS: Final = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}

_NOT_TEXT: Final = frozenset({"stream", "status"})


class Statement(Struct, frozen=True):
    """SQL and its parameters."""

    sql: str
    parameters: dict[str, object]
    reads_rows_from_us: int | None
    """Start of the earliest stretch read from rows; ``None`` when only sums are read."""


class Window(Struct, frozen=True):
    """A half-open span of time, Unix microseconds."""

    start_us: int
    end_us: int

    @property
    def is_empty(self) -> bool:
        """Nothing lies in it."""
        return self.start_us >= self.end_us


def report_statement(question: ReportQuestion, tag_names: frozenset[str]) -> Statement:
    """The statement whose rows are: is_total, groups, the dimensions ``d0``…, the measures in `MEASURES` order."""
    builder = Builder(tag_names)
    dimensions = [builder.dimension(name) for name in question.by]
    condition = builder.condition(question.filters)
    parts: list[str] = []
    rows_from: list[int] = []
    for table, window in _stretches(question):
        if window.is_empty:
            continue
        parts.append(_part(table, window, dimensions, condition))
        if table == "rows":
            rows_from.append(window.start_us)
    if not parts:
        parts.append(_part("rows", Window(0, 0), dimensions, condition))
    return Statement(
        _grouped(" union all ".join(parts), question), builder.parameters, min(rows_from) if rows_from else None
    )


def filter_condition(filters: tuple[tuple[str, str], ...], tag_names: frozenset[str]) -> tuple[str, dict[str, object]]:
    """The same filters as a condition on rows, with its parameters."""
    builder = Builder(tag_names)
    return builder.condition(filters), builder.parameters


def window_of(since_us: int | None, until_us: int | None) -> Window:
    """A question's window, where ``None`` is no border."""
    return Window(
        _EARLIEST_US if since_us is None else max(since_us, _EARLIEST_US),
        _LATEST_US if until_us is None else min(until_us, _LATEST_US),
    )


def split_window(window: Window) -> tuple[Window, Window, Window]:
    """A window as the ragged start, the whole hours and the ragged end."""
    first = -(-window.start_us // HOUR_US) * HOUR_US
    last = window.end_us // HOUR_US * HOUR_US
    if first >= last:
        return window, Window(0, 0), Window(0, 0)
    return Window(window.start_us, first), Window(first, last), Window(last, window.end_us)


class Builder:
    """Collects parameters while dimensions become expressions."""

    def __init__(self, tag_names: frozenset[str]) -> None:
        self._tag_names = tag_names
        self.parameters: dict[str, object] = {}

    def dimension(self, name: str) -> str:
        """A dimension's value; time buckets are microseconds."""
        if name in TIME_DIMENSIONS:
            return f"epoch_us(date_trunc('{name}', \"at\")::timestamp)"
        return self._value(name)

    def condition(self, filters: tuple[tuple[str, str], ...]) -> str:
        """A condition that holds for the rows that pass all filters."""
        wanted: dict[str, list[str]] = {}
        for name, value in filters:
            wanted.setdefault(name, []).append(self.parameter(value))
        return " and ".join(
            ["true", *(f"{self.text(name)} in ({', '.join(values)})" for name, values in wanted.items())]
        )

    def text(self, name: str) -> str:
        """A dimension's value as text; empty where it is not set."""
        if name in TIME_DIMENSIONS:
            return f"strftime(\"at\", '{_FILTER_FORMATS[name]}')"
        return f"coalesce({self._value(name)}::varchar, '')"

    def _value(self, name: str) -> str:
        name = column_of(name)
        if name == "model":
            return 'coalesce("model", "requested_model")'
        if name in COLUMN_DIMENSIONS:
            return f'"{name}"' if name in _NOT_TEXT else f"nullif(\"{name}\", '')"
        tag = name.removeprefix(TAG_PREFIX)
        if tag != name or tag in self._tag_names:
            return f"nullif(\"tags\"[{self.parameter(tag)}], '')"
        valid = ", ".join((*COLUMN_DIMENSIONS, *TIME_DIMENSIONS, *sorted(self._tag_names)))
        raise QuestionError(
            f"unknown dimension '{name}'; valid ones are {valid}, or {TAG_PREFIX}NAME for a tag that no row carries yet"
        )

    def parameter(self, value: str) -> str:
        """A value's place in the statement."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"


def _stretches(question: ReportQuestion) -> list[tuple[str, Window]]:
    window = window_of(question.since_us, question.until_us)
    names = {column_of(name) for name in (*question.by, *(name for name, _ in question.filters))}
    if window.is_empty or not names <= {*ROLLUP_DIMENSIONS, *TIME_DIMENSIONS}:
        return [("rows", window)]
    start, hours, end = split_window(window)
    return [("rollup", hours), ("rows", start), ("rows", end)]


def column_of(name: str) -> str:
    """``tag:team`` and ``tag:feature`` are columns; ``tag:provider`` is a caller's tag that only shares a name."""
    tag = name.removeprefix(TAG_PREFIX)
    return tag if tag in TAG_COLUMNS else name


def _part(table: str, window: Window, dimensions: list[str], condition: str) -> str:
    columns = "".join(f"{sql} as d{position}, " for position, sql in enumerate(dimensions))
    sums = ROW_SUMS if table == "rows" else ROLLUP_SUMS
    return (
        f"select {columns}{sums} from {table}"
        f' where "at" >= make_timestamp({window.start_us}::bigint) and "at" < make_timestamp({window.end_us}::bigint)'
        f" and {condition} group by {_names(len(dimensions)) or '()'}"
    )


def _grouped(parts: str, question: ReportQuestion) -> str:
    count = len(question.by)
    names = _names(count)
    sums = ", ".join(f"sum({name})::hugeint as {name}" for name in MEASURES)
    listed = f"{names}, " if names else ""
    nothing = "".join("null, " for _ in question.by)
    limit = "" if question.limit is None else f" limit {int(question.limit)}"
    return (
        f"with parts as ({parts}), groups as materialized (select {listed}{sums} from parts"
        f" group by {names or '()'} having sum(attempts) <> 0)"
        f" select true, count(*), {nothing}{', '.join(f'coalesce(sum({m}), 0)::hugeint' for m in MEASURES)} from groups"
        f" union all (select false, 0, {listed}{', '.join(MEASURES)} from groups order by {_order(question)}{limit})"
    )


def _order(question: ReportQuestion) -> str:
    names = _names(len(question.by))
    order = question.order
    if order is None:
        order = "" if question.by and question.by[0] in TIME_DIMENSIONS else "cost"
    if order in question.by:
        return f"d{question.by.index(order)} nulls last, {names}"
    if order in MEASURES and order not in INTERNAL:
        return f"{order} desc, {names}" if names else f"{order} desc"
    if order == "":
        return names
    valid = ", ".join((*question.by, *(name for name in MEASURES if name not in INTERNAL)))
    raise QuestionError(f"cannot order by '{order}'; valid ones are {valid}")


def _names(count: int) -> str:
    return ", ".join(f"d{position}" for position in range(count))
