"""The index's tables and the expressions that turn rows into sums; the only place where a measure is defined in SQL.

Rows and hourly sums share their column names (``at`` is the admission time in the one and its hour in the other), so
that one dimension expression works on both.
"""

from typing import Final

from msgspec import structs

from bursar.ledger.questions import Measures
from bursar.usage import (
    CACHE_READ_METERS,
    CACHE_WRITE_METERS,
    INPUT_TOKEN_METERS,
    OUTPUT_TOKEN_METERS,
    TOKEN_METERS,
    Meter,
)

SCHEMA_VERSION: Final = 6
"""Raised whenever a table or a measure below changes: an index of another version is rebuilt from the segments."""

ROLLUP_DIMENSIONS: Final = (
    "organisation",
    "team",
    "project",
    "key",
    "feature",
    "environment",
    "traffic",
    "workload",
    "untagged",
    "provider",
    "requested_model",
    "model",
    "dialect",
    "operation",
    "outcome",
    "price_status",
    "usage_status",
    "service_tier",
    "stream",
)
"""What hourly sums are kept by. Names that callers choose without bound (user, customer, free tags) stay out: the sums
would become as many as the rows."""

_LACKING: Final = "untagged is not null and outcome <> 'refused'"

_FAILED: Final = "('error', 'timeout', 'reset', 'cut', 'interrupted')"


def _tokens(meters: frozenset[int]) -> str:
    return f"sum({_token_terms(meters)})"


def _token_terms(meters: frozenset[int]) -> str:
    return " + ".join(f'coalesce("{Meter(meter).label}", 0)::hugeint' for meter in sorted(meters))


def _count(condition: str) -> str:
    return f"sum(weight) filter (where {condition})"


_IS_CHARGED: Final = "outcome not in ('refused', 'interrupted')"
"""What counts against budgets; what an interrupted attempt held was returned when its worker's lease ended."""

_METER_LIST: Final = ", ".join(f'"{meter.label}"' for meter in Meter)

_CHARGED_TOKENS: Final = (
    f"case when cost_pico is null and coalesce({_METER_LIST}) is null then coalesce(bound_tokens, 0)::hugeint"
    f" else {_token_terms(TOKEN_METERS)} end"
)
"""`gateway.holding.used_by` in SQL: tokens that are unknown count as their bound."""

MEASURES: Final[dict[str, str]] = {
    "requests": _count("attempt = 1"),
    "attempts": "sum(weight)",
    "errors": _count(f"outcome in {_FAILED}"),
    "refused_requests": _count("outcome = 'refused'"),
    "unpriced_requests": _count("price_status = 'unpriced'"),
    "interrupted_requests": _count("outcome = 'interrupted'"),
    "estimated_requests": _count("usage_status = 'estimated'"),
    "inconsistent_requests": _count("usage_status = 'inconsistent'"),
    "untagged_requests": _count(f"attempt = 1 and {_LACKING}"),
    "costed": _count("cost_pico is not null and price_status <> 'not_billed'"),
    "cost": "sum(cost_pico)",
    "list_cost": "sum(coalesce(list_cost_pico, cost_pico))",
    "untagged_cost": f"sum(cost_pico) filter (where {_LACKING})",
    "provider_cost": "sum(provider_cost_pico)",
    "interrupted_bound": "sum(bound_pico) filter (where outcome = 'interrupted')",
    "input_tokens": _tokens(INPUT_TOKEN_METERS),
    "cached_input_tokens": _tokens(CACHE_READ_METERS),
    "cache_write_tokens": _tokens(CACHE_WRITE_METERS),
    "output_tokens": _tokens(OUTPUT_TOKEN_METERS),
    "reasoning_tokens": _tokens(frozenset({int(Meter.OUTPUT_REASONING)})),
    "searches": _tokens(frozenset({int(Meter.SEARCHES)})),
    "charge": f"sum(coalesce(cost_pico, bound_pico, 0)::hugeint) filter (where {_IS_CHARGED})",
    "charged_tokens": f"sum({_CHARGED_TOKENS}) filter (where {_IS_CHARGED})",
    "charged_attempts": _count(_IS_CHARGED),
}
"""Each measure as a sum over rows."""

CHARGES: Final = ("charge", "charged_tokens", "charged_attempts")
"""Measures of what counts against budgets, where a cost that is unknown counts as its bound."""

INTERNAL: Final = frozenset({"costed", *CHARGES})
"""Measures that no report shows. ``costed`` tells, among what was billed, a cost of 0 from an unknown one."""

ROW_SUMS: Final = ", ".join(f"coalesce({sql}, 0)::hugeint as {name}" for name, sql in MEASURES.items())
"""Sums over rows; always whole, and wide: 64 bits hold only $9.2 million in picodollars."""

ROLLUP_SUMS: Final = ", ".join(f"sum({name})::hugeint as {name}" for name in MEASURES)
"""The same sums over hourly sums."""

_DIMENSION_LIST: Final = ", ".join(f'"{name}"' for name in ROLLUP_DIMENSIONS)

ROLLUP_COLUMNS: Final = f'"at", {_DIMENSION_LIST}, {", ".join(MEASURES)}'

ROLLUP_FROM_ROWS: Final = (
    f'select date_trunc(\'hour\', "at")::timestamp as "at", {_DIMENSION_LIST}, {ROW_SUMS} from batch group by all'
)
ROLLUP_MERGED: Final = f'select "at", {_DIMENSION_LIST}, {ROLLUP_SUMS} from rollup'
ROLLUP_GROUPS: Final = f'group by "at", {_DIMENSION_LIST}'


def measures_of(values: dict[str, int]) -> Measures:
    """Sums as an answer: where something was billed and nothing has a known cost, the cost is unknown."""
    known = Measures(**{name: value for name, value in values.items() if name not in INTERNAL})
    if values["costed"] == 0 and values["unpriced_requests"]:
        return structs.replace(known, cost=None, list_cost=None)
    return known
