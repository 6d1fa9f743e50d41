"""Agent runs: all requests of one task, kept below a ceiling, a number of steps, a depth, a time and a speed.

A loop (the same request again and again) and a run-away spend rate are judged in stages: exceeding the limit leads to
the first stage (warn), exceeding twice the limit to the second (downgrade), three times to the third (stop).
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.money import format_usd
from bursar.policy.claims import Account
from bursar.policy.gates import Gate, Measure, Stage
from bursar.policy.rules import RunRule
from bursar.policy.stems import RUNS

RUN_IDLE_US: Final = 7 * 24 * 3600 * US_PER_S
"""A run that has been silent for this long is forgotten; a later request under its name starts a new one."""

VELOCITY_SPAN_US: Final = 300 * US_PER_S

SPENT: Final = "#usd"
STEPS: Final = "#steps"
SPEED: Final = "#speed"
"""Ends of the names of a run's accounts: its spend, its requests, its spend in `VELOCITY_SPAN_US`."""

_LOOP_IDLE_US: Final = 3600 * US_PER_S
"""A request that comes again after this long is no loop; nor is every request of every run remembered for longer."""

_ASK: Final = "start a new run, or ask its owner for a larger ceiling"


class Task(Struct, frozen=True):
    """One request's place in its run."""

    id: str
    scope: str
    """Whose run it is: the same id of another team is another run."""
    type: str
    budget: int | None
    """The ceiling this request states, picodollars; only a run's first request sets one."""
    depth: int
    fingerprint: str
    """Names the request's content: equal for a repeated request."""


def scope_of(principal: Principal) -> str:
    """Who shares runs: a team, or a key that has none."""
    if principal.team:
        return f"{principal.organisation}/{principal.team}"
    return f"key:{principal.key}"


def run_stem(scope: str, task: str) -> str:
    """What the names of a run's accounts begin with."""
    return f"{RUNS}{scope}/{task}"


def run_claims(
    rule: RunRule | None, task: Task, bound: int | None, *, velocities: Mapping[str, int]
) -> dict[Gate, int]:
    """What a request claims of its run's accounts; raises Refusal ``run_limit`` where it is nested too deep."""
    stem = run_stem(task.scope, task.id)
    claims: dict[Gate, int] = {}
    ceiling = _ceiling(rule, task)
    if ceiling is not None:
        if bound is None:
            raise Refusal(
                "unpriced_model",
                f"Run '{task.id}' has a ceiling of ${format_usd(ceiling)}, and the most this request may cost is not "
                "known. Add a [[prices]] entry for the model, or cap the request.",
            )
        claims[_gate(task, f"{stem}{SPENT}", "usd", ceiling, code="task_budget_exceeded")] = bound
    if rule is None:
        return claims
    run = rule.run
    if run.max_depth is not None and task.depth > run.max_depth:
        raise Refusal(
            "run_limit",
            f"Run '{task.id}' is nested {task.depth} deep; at most {run.max_depth} is allowed. "
            "Let the agent finish its work instead of delegating it further.",
        )
    if run.max_steps is not None or run.max_wall_s is not None:
        age_us = None if run.max_wall_s is None else int(run.max_wall_s * US_PER_S)
        claims[_gate(task, f"{stem}{STEPS}", "requests", run.max_steps, max_age_us=age_us)] = 1
    if run.max_repeats is not None:
        account = f"{stem}#same/{task.fingerprint}"
        claims[_gate(task, account, "requests", run.max_repeats, stages=run.stages)] = 1
    usual = velocities.get(task.type)
    if run.velocity_factor is not None and usual is not None:
        most = max(int(usual * run.velocity_factor), rule.velocity_floor)
        # One picodollar: a claim of nothing would always be granted. What was really spent is added afterwards.
        claims[_gate(task, f"{stem}{SPEED}", "usd", most, span_us=VELOCITY_SPAN_US, stages=run.stages)] = 1
    return claims


def _ceiling(rule: RunRule | None, task: Task) -> int | None:
    stated = task.budget
    if rule is None:
        return stated
    if stated is None:
        return rule.budget
    if rule.max_budget is not None and stated > rule.max_budget:
        raise Refusal(
            "run_limit",
            f"Run '{task.id}' asks for a ceiling of ${format_usd(stated)}; at most ${format_usd(rule.max_budget)} is "
            "allowed. State a smaller x-bursar-task-budget.",
        )
    return stated


def _gate(
    task: Task,
    account: str,
    measure: Measure,
    most: int | None,
    *,
    code: str = "run_limit",
    span_us: int = 0,
    max_age_us: int | None = None,
    stages: tuple[Stage, ...] = (),
) -> Gate:
    """A gate of one run. With ``stages``, ``most`` is what leads to the first of them."""
    limit = most
    if most is not None and stages:
        limit = most * (stages.index("stop") + 1) if "stop" in stages else None
    return Gate(
        kind="run",
        name=task.id,
        measure=measure,
        account=Account(
            name=account,
            limit=limit,
            span_us=span_us,
            idle_us=_LOOP_IDLE_US if stages else RUN_IDLE_US,
            keeps_limit=code == "task_budget_exceeded",
            max_age_us=max_age_us,
        ),
        limit=most or 0,
        is_closed=code == "task_budget_exceeded",
        code=code,
        hint=_ASK,
        stages=stages,
    )
