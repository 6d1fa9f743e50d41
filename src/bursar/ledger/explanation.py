"""One call, explained: who asked, what it cost line by line, why, and what is not known for sure. Pure over rows."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bursar.clock import format_us
from bursar.events import Outcome, PriceStatus, UsageStatus
from bursar.ledger.questions import AttemptRow, Explanation
from bursar.money import format_rate, format_usd
from bursar.price import CostLine
from bursar.usage import Meter

_US_PER_MS: Final = 1000


def explain(answer: Explanation, sources: Mapping[str, str]) -> dict[str, Any]:
    """One JSON object for a call; raises ValueError when the ledger has no settled row of it.

    ``sources`` says by card id where a card's figures come from (`bursar.catalog.sources`); a card that is not in it
    has an unknown source, ``None``.
    """
    present = answer.present
    if not present:
        raise ValueError("the call has no settled row")
    last = present[-1]
    costs = [row.cost for row in present]
    known = None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None)
    return {
        "id": last.call_id,
        "status": last.outcome,
        "at": format_us(present[0].at_us),
        "organisation": last.organisation,
        "team": last.team,
        "project": last.project,
        "key": last.key,
        "tags": _all_tags(last),
        "task": last.task,
        "task_type": last.task_type,
        "provider": last.provider,
        "dialect": last.dialect,
        "operation": last.operation,
        "requested_model": last.requested_model,
        "model": last.model,
        "stream": last.stream,
        "price_status": _overall(present),
        "cost_usd": None if known is None else format_usd(known),
        "lines": [line for row in present for line in _lines(row.lines)],
        "attempts": [_attempt(row, sources) for row in present],
        "corrections": [_correction(row, sources) for row in answer.rows if row.kind == "restatement"],
    }


def certainty(row: AttemptRow) -> str:
    """In one sentence, how far the figures of an attempt can be trusted."""
    match row.usage_status:
        case UsageStatus.REPORTED:
            return "usage is the provider's own"
        case UsageStatus.ESTIMATED:
            return "usage is estimated from what was seen; the provider's own figures did not arrive"
        case UsageStatus.INCONSISTENT:
            return "the provider's usage figures contradict themselves; they are kept as they came"
        case UsageStatus.NONE:
            return "nothing was billed"
        case _:
            if row.outcome == Outcome.INTERRUPTED and row.bound is not None:
                return f"usage is unknown; the attempt cannot have cost more than ${format_usd(row.bound)}"
            return "usage is unknown"


def _overall(present: Sequence[AttemptRow]) -> str:
    statuses = [row.price_status for row in present]
    for status in (PriceStatus.UNPRICED, PriceStatus.PRICED, PriceStatus.FREE):
        if status in statuses:
            return status.value
    return PriceStatus.NOT_BILLED.value


def _all_tags(row: AttemptRow) -> dict[str, str]:
    principal = {"organisation": row.organisation, "team": row.team, "project": row.project}
    return {name: value for name, value in principal.items() if value} | dict(sorted(row.tags.items()))


def _lines(lines: Sequence[CostLine]) -> list[dict[str, Any]]:
    return [
        {
            "meter": Meter(line.meter).label,
            "unit": Meter(line.meter).unit,
            "quantity": line.quantity,
            "unit_price_usd": format_rate(line.rate.pico, line.rate.per),
            "cost_usd": format_usd(line.pico),
        }
        for line in lines
    ]


def _attempt(row: AttemptRow, sources: Mapping[str, str]) -> dict[str, Any]:
    return {
        "attempt": row.attempt,
        "revision": row.revision,
        "outcome": row.outcome,
        "http_status": row.status,
        "error": row.error,
        "provider": row.provider,
        "model": row.model,
        "service_tier": row.service_tier,
        "response_id": row.response_id,
        "provider_request_id": row.provider_request_id,
        "usage": dict(row.usage),
        "usage_status": row.usage_status,
        "certainty": certainty(row),
        "raw_usage": row.raw_usage,
        "price_status": row.price_status,
        "card": row.card,
        "card_source": _source(row, sources),
        "catalog": row.catalog,
        "cost_usd": _usd(row.cost),
        "list_cost_usd": _usd(row.list_cost),
        "provider_cost_usd": _usd(row.provider_cost),
        "bound_usd": _usd(row.bound),
        "lines": _lines(row.lines),
        "decisions": list(row.decisions),
        "sent_ms": _ms(row.sent_us),
        "first_byte_ms": _ms(row.first_byte_us),
        "last_byte_ms": _ms(row.last_byte_us),
        "total_ms": _ms(row.total_us),
        "request_bytes": row.request_bytes,
        "response_bytes": row.response_bytes,
        "config": row.config,
    }


def _correction(row: AttemptRow, sources: Mapping[str, str]) -> dict[str, Any]:
    return {
        "attempt": row.attempt,
        "revision": row.revision,
        "recorded_at": format_us(row.recorded_us),
        "price_status": row.price_status,
        "cost_usd": _usd(row.cost),
        "card": row.card,
        "card_source": _source(row, sources),
        "reason": row.decisions[-1] if row.decisions else "",
    }


def _source(row: AttemptRow, sources: Mapping[str, str]) -> str | None:
    return None if row.card is None else sources.get(row.card)


def _usd(pico: int | None) -> str | None:
    return None if pico is None else format_usd(pico)


def _ms(offset_us: int | None) -> float | None:
    return None if offset_us is None else offset_us / _US_PER_MS
