"""An outlook on a request as flat fields, with the arithmetic: what the command line and the JSON API tell of it."""

from collections.abc import Iterator
from typing import Any

from bursar.clock import format_us
from bursar.gateway.bound import Exposure
from bursar.gateway.looking import Outlook
from bursar.gateway.pipeline import Admission, Plan
from bursar.money import format_rate, format_usd
from bursar.policy.claims import Standing
from bursar.policy.gates import Gate
from bursar.policy.tags import UNTAGGED
from bursar.price import BoundLine, bound_lines


def outlook_fields(outlook: Outlook) -> dict[str, Any]:
    """Everything about what would become of a request."""
    admission, plan, refusal = outlook.admission, outlook.plan, outlook.refusal
    exposure = admission.exposure
    decisions = () if plan is None else plan.decisions
    return {
        "verdict": "send" if refusal is None else "refuse",
        "refusal": None
        if refusal is None
        else {
            "code": refusal.code,
            "status": refusal.status,
            "message": refusal.message,
            "retry_after_s": refusal.retry_after_s,
        },
        **_facts(admission),
        "bound_usd": None if plan is None or plan.facts.bound is None else format_usd(plan.facts.bound),
        "unbounded": admission.unbounded or None,
        "bound": [] if exposure is None else [_line(line) for line in arithmetic(exposure)],
        "bound_tokens": admission.bound_tokens,
        "output_cap": None if plan is None else plan.output_cap,
        "stop_at_usd": None if plan is None or plan.stop_at is None else format_usd(plan.stop_at),
        "gates": [] if plan is None else list(_gates(plan, outlook.standings)),
        "decisions": [*decisions, *outlook.notes],
    }


def arithmetic(exposure: Exposure) -> tuple[BoundLine, ...]:
    """The parts of the bound, on the dearest of the cards that the request may be charged by."""
    made = [
        bound_lines(
            card,
            input_tokens=exposure.input_tokens,
            output_tokens=exposure.output_tokens,
            others=exposure.others,
        )
        for card in exposure.cards
    ]
    return max(made, key=lambda lines: sum(line.pico for line in lines))


def _facts(admission: Admission) -> dict[str, Any]:
    facts = admission.facts()
    principal, tags = facts.principal, dict(facts.tags)
    missing = tags.pop(UNTAGGED, "")
    return {
        "key": principal.key or None,
        "organisation": principal.organisation or None,
        "team": principal.team or None,
        "project": principal.project or None,
        "tags": tags,
        "missing_tags": missing.split(",") if missing else [],
        "provider": facts.provider or None,
        "dialect": facts.dialect,
        "operation": facts.operation or None,
        "model": facts.model,
        "stream": facts.stream,
        "task": facts.task,
        "task_type": facts.task_type,
        "card": facts.card,
    }


def _line(line: BoundLine) -> dict[str, Any]:
    return {
        "what": line.what,
        "quantity": line.quantity,
        "unit_price_usd": format_rate(line.rate.pico, line.rate.per),
        "most_usd": format_usd(line.pico),
    }


def _gates(plan: Plan, standings: tuple[Standing, ...] | None) -> Iterator[dict[str, Any]]:
    """Every account that the request must find room in, in the order in which it is decided."""
    known: tuple[Standing | None, ...] = standings or (None,) * len(plan.needs.gates)
    for gate, amount, standing in zip(plan.needs.gates, plan.needs.amounts, known, strict=True):
        limit = gate.account.limit if standing is None else standing.limit
        if limit is None:
            limit = gate.limit or None
        used = None if standing is None else standing.spent + standing.held
        left = None if used is None or limit is None else limit - used - amount
        yield {
            "kind": gate.kind,
            "name": gate.name,
            "account": gate.subject or None,
            "measure": gate.measure,
            "mode": gate.mode,
            "on_failure": "closed" if gate.is_closed else "open",
            "limit": _amount(gate, limit),
            "spent": _amount(gate, None if standing is None else standing.spent),
            "held": _amount(gate, None if standing is None else standing.held),
            "this_request": _amount(gate, amount),
            "remaining": _amount(gate, left),
            "has_room": None if left is None else not amount or left >= 0,
            "free_at": None if standing is None or standing.free_us is None else format_us(standing.free_us),
            "resets": gate.resets or None,
        }


def _amount(gate: Gate, amount: int | None) -> str | None:
    """An amount as text: exact USD, or a whole number of what the gate counts."""
    if amount is None:
        return None
    return format_usd(amount) if gate.measure == "usd" else str(amount)
