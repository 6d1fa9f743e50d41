"""The figures of a first page, put together from reports."""

from typing import Final

from bursar.ledger.layout import DAY_US
from bursar.ledger.questions import NewestQuestion, Report, ReportQuestion, ReportRow, Summary, SummaryQuestion
from bursar.ledger.store import Store

_WEEK_DAYS: Final = 7
_NEWEST: Final = 20


def summary_of(store: Store, question: SummaryQuestion) -> Summary:
    """Today, the last seven days and who spent most in them; every window is whole hours, so sums are read."""
    today_us = question.now_us // DAY_US * DAY_US
    tomorrow_us = today_us + DAY_US
    week_us = tomorrow_us - _WEEK_DAYS * DAY_US

    def week_by(dimension: str, limit: int | None) -> Report:
        return store.report(ReportQuestion(by=(dimension,), since_us=week_us, until_us=tomorrow_us, limit=limit))

    def top(dimension: str) -> tuple[ReportRow, ...]:
        return week_by(dimension, question.top).rows

    by_day = week_by("day", None)
    today = store.report(ReportQuestion(since_us=today_us, until_us=tomorrow_us))
    return Summary(
        today=today.total,
        week=by_day.total,
        by_day=by_day.rows,
        by_team=top("team"),
        by_feature=top("feature"),
        by_model=top("model"),
        newest=store.newest(NewestQuestion(limit=_NEWEST)),
    )
