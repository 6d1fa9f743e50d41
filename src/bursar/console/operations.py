"""The JSON API as a table: every operation, its parameters and what it answers with.

Routes and the OpenAPI document are both made of it, so neither can have what the other lacks.
"""

from typing import Final

from bursar.console.alerts.operations import ALERT_OPERATIONS
from bursar.console.budgets.operations import BUDGET_OPERATIONS
from bursar.console.checks.operations import CHECK_OPERATIONS
from bursar.console.keys.operations import KEY_OPERATIONS
from bursar.console.operation import Operation, Parameter, Schema
from bursar.console.queries import DEFAULT_ATTEMPTS, MOST_ATTEMPTS, MOST_GROUPS

PREFIX: Final = "/api/v1"

_TEXT: Final[Schema] = {"type": "string"}


def _limit(default: int, most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


OPERATIONS: Final = (
    Operation(
        name="report",
        path="/report",
        summary="Spend over a window, grouped by anything",
        text="What `bursar report --format json` prints: one flat object a group, the largest cost first.",
        parameters=(
            Parameter(
                "by", "Dimensions to group by, separated by commas; empty for one total.", {**_TEXT, "default": "team"}
            ),
            Parameter("since", "Start: 7d, 24h, 2026-11-01, 2026-11-01T12:00+01:00.", {**_TEXT, "default": "7d"}),
            Parameter("until", "End, excluded; written like `since`.", {**_TEXT, "default": "now"}),
            Parameter("order", "A measure (largest first) or a dimension of `by`.", _TEXT),
            Parameter("limit", "At most so many groups.", _limit(MOST_GROUPS, MOST_GROUPS)),
        ),
        answer="Report",
        errors=(400, 503),
        has_filters=True,
        headers={
            "x-bursar-groups": "How many groups there are without the limit.",
            "x-bursar-lacks-before": "Set when retention dropped rows of the window: some before this are missing.",
        },
    ),
    Operation(
        name="requests",
        path="/requests",
        summary="The newest attempts",
        text="One flat object an attempt, newest first. Retries and fallbacks are attempts of their own.",
        parameters=(
            Parameter("limit", "At most so many attempts.", _limit(DEFAULT_ATTEMPTS, MOST_ATTEMPTS)),
            Parameter("before", "Only attempts admitted before this time; written like `since` of a report.", _TEXT),
            Parameter("after", "The page after a position, as the Link header of the page before gives it.", _TEXT),
        ),
        answer="Requests",
        errors=(400, 503),
        has_filters=True,
        headers={"link": 'The next page, as rel="next"; absent on the last one.'},
    ),
    Operation(
        name="explain",
        path="/requests/{id}",
        summary="Why one call cost what it did",
        text="What `bursar explain --format json` prints.",
        parameters=(
            Parameter(
                "id", "The answer's x-bursar-request-id header, or the provider's response id.", _TEXT, place="path"
            ),
        ),
        answer="Explanation",
        errors=(404, 503),
    ),
    Operation(
        name="summary",
        path="/summary",
        summary="The figures of the first page",
        text="Today and the last seven days in UTC, who spent most in them, and the newest attempts.",
        answer="Summary",
        errors=(503,),
    ),
    Operation(
        name="openapi",
        path="/openapi.json",
        summary="This document",
        text="The API's description in OpenAPI 3.1.",
        answer="Document",
    ),
    *KEY_OPERATIONS,
    *BUDGET_OPERATIONS,
    *CHECK_OPERATIONS,
    *ALERT_OPERATIONS,
)


def operations_by_path() -> dict[str, list[Operation]]:
    """The operations of each path, in the table's order."""
    paths: dict[str, list[Operation]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, []).append(one)
    return paths
