"""A URL's query as a question to the ledger. The parameters mean what the command line's options of the same name mean.

Every other parameter is a filter: a dimension and the value it must have; repeated ones are alternatives. A tag that
bears a parameter's name is reached as ``tag:limit``.
"""

import re
from typing import Final

from starlette.datastructures import QueryParams

from bursar.ledger.questions import AttemptRow, NewestQuestion, QuestionError, ReportQuestion
from bursar.when import parse_when

REPORT_PARAMETERS: Final = ("by", "since", "until", "order", "limit")

NEWEST_PARAMETERS: Final = ("limit", "before", "after")

MOST_GROUPS: Final = 10_000
"""Most rows of a report in one answer: it is read and written by the process that relays calls."""

MOST_ATTEMPTS: Final = 1_000

DEFAULT_ATTEMPTS: Final = 100

_CURSOR: Final = re.compile(r"(-?\d{1,18})~(\d{1,9})~(.*)", re.ASCII | re.DOTALL)

_LIMIT: Final = re.compile(r"\d{1,9}", re.ASCII)


def report_question(query: QueryParams, *, now_us: int) -> ReportQuestion:
    """The question of ``/api/v1/report``; raises QuestionError."""
    until = query.get("until", "now")
    order = query.get("order")
    return ReportQuestion(
        by=tuple(part.strip() for part in query.get("by", "team").split(",") if part.strip()),
        since_us=_when(query.get("since", "7d"), "since", now_us=now_us),
        until_us=None if until == "now" else _when(until, "until", now_us=now_us),
        filters=filters_of(query, besides=REPORT_PARAMETERS),
        order=order.removesuffix("_usd") if order else None,
        limit=_limit(query, default=MOST_GROUPS, most=MOST_GROUPS),
    )


def newest_question(query: QueryParams, *, now_us: int) -> NewestQuestion:
    """The question of ``/api/v1/requests``; raises QuestionError."""
    before, after = query.get("before"), query.get("after")
    return NewestQuestion(
        limit=_limit(query, default=DEFAULT_ATTEMPTS, most=MOST_ATTEMPTS),
        filters=filters_of(query, besides=NEWEST_PARAMETERS),
        before_us=None if before is None else _when(before, "before", now_us=now_us),
        after=None if after is None else _position(after),
    )


def filters_of(query: QueryParams, *, besides: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The (dimension, value) pairs of a query."""
    return tuple((name, value) for name, value in query.multi_items() if name not in besides)


def cursor_of(row: AttemptRow) -> str:
    """The value of ``after`` that asks for what follows this row."""
    return f"{row.at_us}~{row.attempt}~{row.call_id}"


def _position(cursor: str) -> tuple[int, str, int]:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise QuestionError(f"after: {cursor!r} is no position; take it from the Link header of a page")
    at_us, attempt, call_id = parts.groups()
    return int(at_us), call_id, int(attempt)


def _limit(query: QueryParams, *, default: int, most: int) -> int:
    text = query.get("limit")
    if text is None:
        return default
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= most:
        raise QuestionError(f"limit: {text!r} is not a whole number from 1 to {most}")
    return int(text)


def _when(text: str, name: str, *, now_us: int) -> int:
    try:
        return parse_when(text, now_us=now_us)
    except ValueError as wrong:
        raise QuestionError(f"{name}: {wrong}") from None
