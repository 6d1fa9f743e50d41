"""A `ChargesQuestion` as SQL.

It reads hourly sums where they say the same as the rows: for windows, dimensions and parts of time that the sums are
kept by, and only where every attempt counts in full. Everything else is read from the rows.
"""

from typing import Final

from bursar.ledger.duckdb_report import Builder, Statement, Window, column_of, split_window, window_of
from bursar.ledger.duckdb_schema import CHARGES, MEASURES, ROLLUP_DIMENSIONS
from bursar.ledger.layout import HOUR_US
from bursar.ledger.questions import ChargesQuestion

_SUMS: Final = {
    "rows": ", ".join(f"coalesce({MEASURES[name]}, 0)::hugeint as {name}" for name in CHARGES),
    "rollup": ", ".join(f"sum({name})::hugeint as {name}" for name in CHARGES),
}


def charges_statement(question: ChargesQuestion, tag_names: frozenset[str]) -> Statement:
    """The statement whose rows are: the part of time, the sums in `CHARGES` order, the values of the dimensions."""
    builder = Builder(tag_names)
    dimensions = [builder.text(name) for name in question.by]
    condition = _condition(question, builder)
    parts: list[str] = []
    rows_from: list[int] = []
    for table, window in _stretches(question):
        if window.is_empty:
            continue
        parts.append(_part(table, window, question.bucket_us, dimensions, condition))
        if table == "rows":
            rows_from.append(window.start_us)
    if not parts:
        parts.append(_part("rows", Window(0, 0), question.bucket_us, dimensions, condition))
    return Statement(
        _grouped(" union all ".join(parts), question), builder.parameters, min(rows_from) if rows_from else None
    )


def _condition(question: ChargesQuestion, builder: Builder) -> str:
    terms = ["true", *(f"{builder.text(name)} <> ''" for name in question.must_have)]
    if question.counted:
        digests = ", ".join(map(builder.parameter, question.counted))
        terms.append(f"(config not in ({digests}) or revision > 0)")
    return " and ".join(terms)


def _stretches(question: ChargesQuestion) -> list[tuple[str, Window]]:
    window = window_of(question.since_us, question.until_us)
    names = {column_of(name) for name in (*question.by, *question.must_have)}
    has_whole_hours = question.bucket_us is None or question.bucket_us % HOUR_US == 0
    are_plain_sums = not question.counted and question.active_since_us is None
    if window.is_empty or not (has_whole_hours and are_plain_sums and names <= set(ROLLUP_DIMENSIONS)):
        return [("rows", window)]
    start, hours, end = split_window(window)
    return [("rollup", hours), ("rows", start), ("rows", end)]


def _part(table: str, window: Window, bucket_us: int | None, dimensions: list[str], condition: str) -> str:
    bucket = "0" if bucket_us is None else f'epoch_us("at") // {int(bucket_us)}'
    columns = "".join(f"{sql} as d{position}, " for position, sql in enumerate(dimensions))
    return (
        f'select {bucket} as bucket, {columns}max("at") as newest, {_SUMS[table]} from {table}'
        f' where "at" >= make_timestamp({window.start_us}::bigint) and "at" < make_timestamp({window.end_us}::bigint)'
        f" and {condition} group by all"
    )


def _grouped(parts: str, question: ChargesQuestion) -> str:
    names = "".join(f", d{position}" for position in range(len(question.by)))
    sums = ", ".join(f"sum({name})::hugeint as {name}" for name in CHARGES)
    active = ""
    if question.active_since_us is not None:
        active = f" and max(newest) >= make_timestamp({int(question.active_since_us)}::bigint)"
    nothing = " or ".join(f"sum({name}) <> 0" for name in CHARGES)
    return (
        f"select bucket, {', '.join(CHARGES)}{names} from (select bucket, {sums}{names} from ({parts})"
        f" group by bucket{names} having ({nothing}){active}) order by all"
    )
