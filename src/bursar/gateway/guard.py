"""Between the bound and the provider: which rules a request meets, and what it must hold of their accounts. Pure.

Caps on the size of one request act here; room in accounts is asked for later, by `holding`.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bursar.dialects.base import Request
from bursar.errors import Refusal
from bursar.events import CallFacts
from bursar.gateway.routes import Route
from bursar.money import Pico, parse_usd
from bursar.policy.decide import NOTHING_TO_HOLD, Ask, Decision, decide
from bursar.policy.rules import LimitRule, Matched, Rules
from bursar.policy.runs import Task, scope_of
from bursar.policy.subject import facts_of

BYTES_PER_TOKEN: Final = 4
"""What limits assume of text, as OpenAI does for English ("What are tokens", read 2026-11); budgets never do."""


class Subject(Struct, frozen=True):
    """A request as rules see it."""

    facts: Mapping[str, str]
    matched: Matched


def subject_of(facts: CallFacts, rules: Rules) -> Subject:
    """Find the rules that a request meets."""
    flat = facts_of(
        facts.principal,
        facts.tags,
        provider=facts.provider,
        model=facts.model,
        dialect=facts.dialect,
        operation=facts.operation,
        task_type=facts.task_type,
    )
    return Subject(flat, rules.matching(flat, is_run=facts.task is not None))


def capped(request: Request, route: Route, matched: Matched, *, body_bytes: int) -> Request:
    """The request within the size limits it meets: lowered where they say so.

    Raises Refusal ``input_too_large`` or ``output_too_large``.
    """
    for rule in matched.limits:
        most = rule.limit.max_input_tokens
        if most is not None and body_bytes // BYTES_PER_TOKEN > most:
            raise Refusal(
                "input_too_large",
                f"The input has some {body_bytes // BYTES_PER_TOKEN:,} tokens; limit '{rule.name}' allows {most:,} a "
                "request. Send less.",
            )
        request = _with_cap(request, route, rule)
    return request


def decided(
    facts: CallFacts,
    subject: Subject,
    rules: Rules,
    *,
    request: Request,
    unbounded: str,
    steering: Mapping[str, str],
) -> Decision:
    """What the request must hold; raises the Refusals of `decide`."""
    matched = subject.matched
    task = None if facts.task is None else _task(facts, steering, request.body, matched)
    if task is None and not matched.budgets and not matched.limits:
        return NOTHING_TO_HOLD
    ask = Ask(
        at_us=facts.at_us,
        facts=subject.facts,
        bound=facts.bound,
        unbounded=unbounded,
        tokens=facts.bound_tokens,
        likely_tokens=-(-len(request.body) // BYTES_PER_TOKEN) + (request.max_output_tokens or 0),
        task=task,
    )
    return decide(matched, ask, rules)


def _with_cap(request: Request, route: Route, rule: LimitRule) -> Request:
    most = rule.limit.max_output_tokens
    if most is None or request.max_output_tokens == 0 or not route.endpoint.billable:
        return request
    stated = request.max_output_tokens
    if stated is not None and stated <= most * request.reach.answers:
        return request
    if rule.limit.output_action == "shrink":
        lower = route.target.dialect.with_output_cap(route.endpoint, request, most)
        if lower is not None:
            return lower
    asked = "states no output cap" if stated is None else f"asks for up to {stated:,} output tokens"
    raise Refusal(
        "output_too_large",
        f"This request {asked}; limit '{rule.name}' allows {most:,} for each answer. State a smaller cap.",
    )


def _task(facts: CallFacts, steering: Mapping[str, str], body: bytes, matched: Matched) -> Task:
    wants_print = matched.run is not None and matched.run.run.max_repeats is not None
    return Task(
        id=facts.task or "",
        scope=scope_of(facts.principal),
        type=facts.task_type or "",
        budget=_usd(steering.get("task-budget")),
        depth=_depth(steering.get("task-depth")),
        fingerprint=hashlib.blake2b(body, digest_size=8).hexdigest() if wants_print else "",
    )


def _usd(text: str | None) -> Pico | None:
    if text is None:
        return None
    try:
        amount = parse_usd(text.removeprefix("$"))
    except ValueError:
        amount = Pico(-1)
    if amount < 0:
        raise Refusal(
            "invalid_request", f"x-bursar-task-budget is '{text[:40]}'; write USD as a decimal, such as 0.50."
        )
    return amount


def _depth(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit():
        raise Refusal("invalid_request", f"x-bursar-task-depth is '{text[:40]}'; write a whole number, such as 1.")
    return int(text[:9])
