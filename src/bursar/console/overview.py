"""What the first page shows, worked out of a summary."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from bursar.console.charts import DayChart, day_chart
from bursar.console.figures import basis_points, percent, share
from bursar.ledger.coverage import coverage_of
from bursar.ledger.plain import Plain, attempt
from bursar.ledger.questions import AttemptRow, Measures, ReportRow, Summary

REQUESTS: Final = "/requests"


class Listed(Struct, frozen=True):
    """An attempt as a line of a list."""

    row: AttemptRow
    told: Plain
    """As the API lists it."""


class GroupLine(Struct, frozen=True):
    """One line of a table by team, feature or model."""

    name: str | None
    """``None`` = not set."""
    link: str
    """The list of its requests."""
    measures: Measures
    width: str
    """Its share of the week's known spend, as the length of a bar."""
    share: str
    """The same for reading."""


class GroupTable(Struct, frozen=True):
    """Who spent most, by one dimension."""

    dimension: str
    lines: tuple[GroupLine, ...]


class Overview(Struct, frozen=True):
    """The first page."""

    today: Measures
    week: Measures
    unpriced_share: str
    """Of the week's attempts."""
    tagged_share: str
    """Of the week's known cost, or of its requests where none has a cost; a dash where there are none."""
    chart: DayChart
    tables: tuple[GroupTable, ...]
    newest: tuple[Listed, ...]

    @property
    def is_empty(self) -> bool:
        """The ledger holds nothing to show."""
        return not self.newest and not self.week.attempts


def overview_of(summary: Summary, *, now_us: int) -> Overview:
    """The page's content."""
    week = summary.week
    spent = week.cost or 0
    groups = (("team", summary.by_team), ("feature", summary.by_feature), ("model", summary.by_model))
    return Overview(
        today=summary.today,
        week=week,
        unpriced_share=share(week.unpriced_requests, week.attempts),
        tagged_share=_tagged_share(week),
        chart=day_chart(summary.by_day, now_us=now_us),
        tables=tuple(_table(dimension, rows, spent=spent) for dimension, rows in groups),
        newest=listed(summary.newest),
    )


def listed(rows: Sequence[AttemptRow]) -> tuple[Listed, ...]:
    """Attempts as lines of a list."""
    return tuple(Listed(row, attempt(row)) for row in rows)


def requests_link(*filters: tuple[str, str]) -> str:
    """The list of the requests that pass these filters."""
    return f"{REQUESTS}?{urlencode(filters)}" if filters else REQUESTS


def _tagged_share(week: Measures) -> str:
    coverage = coverage_of(week)
    points = coverage.requests_points if coverage.cost_points is None else coverage.cost_points
    # Rounded down: what lacks a tag never reads as 100 %.
    return "–" if points is None else f"{points // 100}.{points % 100 // 10}%"


def _table(dimension: str, rows: Sequence[ReportRow], *, spent: int) -> GroupTable:
    return GroupTable(dimension, tuple(_line(dimension, row, spent=spent) for row in rows))


def _line(dimension: str, row: ReportRow, *, spent: int) -> GroupLine:
    value = row.group[0]
    name = None if value is None else str(value)
    cost = row.measures.cost or 0
    return GroupLine(
        name=name,
        link=requests_link((dimension, name or "")),
        measures=row.measures,
        width=percent(basis_points(cost, spent)),
        share=share(cost, spent),
    )
