"""Answers as flat objects of plain values, the form in which the command line and the JSON API give them out.

Money is exact decimal text in fields that end in ``_usd``; tokens are integers; unknown is ``None``.
"""

from typing import Final

from bursar.clock import format_us
from bursar.events import UsageStatus
from bursar.ledger.coverage import coverage_of
from bursar.ledger.questions import AttemptRow, Measures, Report, Value
from bursar.money import format_usd
from bursar.usage import CACHE_READ_METERS, INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter

Plain = dict[str, Value]

MEASURE_FIELDS: Final = (
    "requests",
    "cost_usd",
    "unpriced_requests",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "searches",
    "attempts",
    "errors",
    "refused_requests",
    "interrupted_requests",
    "interrupted_bound_usd",
    "estimated_requests",
    "inconsistent_requests",
    "untagged_requests",
    "untagged_cost_usd",
    "list_cost_usd",
    "provider_cost_usd",
)
"""Fields of a report row besides its dimensions, in order."""

ATTEMPT_FIELDS: Final = (
    "id",
    "attempt",
    "at",
    "status",
    "team",
    "feature",
    "key",
    "provider",
    "model",
    "operation",
    "price_status",
    "cost_usd",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "total_ms",
)
"""Fields of an attempt in a listing."""

_INPUT: Final = frozenset(Meter(meter).label for meter in INPUT_TOKEN_METERS)
_CACHED: Final = frozenset(Meter(meter).label for meter in CACHE_READ_METERS)
_OUTPUT: Final = frozenset(Meter(meter).label for meter in OUTPUT_TOKEN_METERS)


def report_rows(report: Report) -> list[Plain]:
    """The rows of a report, dimensions first."""
    return [dict(zip(report.by, row.group, strict=True)) | measures(row.measures) for row in report.rows]


def measures(sums: Measures) -> Plain:
    """The sums of one group."""
    values: Plain = {}
    for field in MEASURE_FIELDS:
        if field.endswith("_usd"):
            values[field] = usd(getattr(sums, field.removesuffix("_usd")))
        else:
            values[field] = getattr(sums, field)
    return values


def attempt(row: AttemptRow) -> Plain:
    """One attempt in a listing."""
    return {
        "id": row.call_id,
        "attempt": row.attempt,
        "at": format_us(row.at_us),
        "status": row.outcome,
        "team": row.team,
        "feature": row.tags.get("feature"),
        "key": row.key,
        "provider": row.provider,
        "model": row.model or row.requested_model,
        "operation": row.operation,
        "price_status": row.price_status,
        "cost_usd": usd(row.cost),
        "input_tokens": _tokens(row, _INPUT),
        "cached_input_tokens": _tokens(row, _CACHED),
        "output_tokens": _tokens(row, _OUTPUT),
        "total_ms": None if row.total_us is None else round(row.total_us / 1000),
    }


def coverage(sums: Measures) -> dict[str, float | int | str | None]:
    """How much of a group is fully tagged, in percent; ``None`` where there is nothing to have a share of."""
    covered = coverage_of(sums)
    return {
        "tagged_cost_percent": _percent(covered.cost_points),
        "tagged_requests_percent": _percent(covered.requests_points),
        "untagged_cost_usd": format_usd(covered.untagged_cost),
        "untagged_requests": covered.untagged_requests,
    }


def usd(pico: int | None) -> str | None:
    """An amount as exact decimal text; unknown stays unknown."""
    return None if pico is None else format_usd(pico)


def _percent(points: int | None) -> float | None:
    return None if points is None else points / 100


def _tokens(row: AttemptRow, meters: frozenset[str]) -> int | None:
    if row.usage_status == UsageStatus.MISSING:
        return None
    return sum(quantity for meter, quantity in row.usage.items() if meter in meters)
