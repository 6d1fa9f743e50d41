"""What should be said about an agent run: that it was stopped, or that it is on the way there. Pure.

Each is said once for a run and a reason. It ends by itself after a day: a run that was stopped stays stopped, and
nobody waits for it any more.
"""

from typing import Final

from bursar.clock import US_PER_S
from bursar.config import AlertKind
from bursar.counters.protocol import Balance
from bursar.notify.finding import Finding, finding
from bursar.notify.noted import Refused
from bursar.policy.gates import Gate
from bursar.policy.refusals import quantity, stage_of

OPEN_US: Final = 24 * 3600 * US_PER_S

REASONS: Final = {"usd": "ceiling", "steps": "steps", "same": "loop", "speed": "velocity"}
"""Why a run is stopped, by what its account counts (`bursar.policy.runs`)."""

STOPPED: Final[dict[str, AlertKind]] = {"task_budget_exceeded": "task_budget_exceeded", "run_limit": "run_limit"}
"""Kind of alert by code of the refusal."""


def stopped(refused: Refused) -> Finding | None:
    """A run was refused; ``None`` for what is no run or was refused for another reason."""
    kind = STOPPED.get(refused.code)
    if kind is None or refused.run is None:
        return None
    reasons = [reason_of(gate) for gate in refused.gates if gate.kind == "run" and gate.code == refused.code]
    reason = reasons[0] if reasons else "request"
    return finding(
        kind,
        f"{refused.scope}/{refused.run}/{reason}",
        severity="critical",
        subject=refused.run,
        message=refused.message,
        at_us=refused.at_us,
        ends_us=refused.at_us + OPEN_US,
        data={"run": refused.run, "run_type": refused.run_type, "scope": refused.scope, "reason": reason},
    )


def warning(gate: Gate, balance: Balance, *, at_us: int) -> Finding | None:
    """A run loops, or spends far faster than its type does; ``None`` while it does not, and once it is stopped."""
    used = balance.spent + balance.held
    stage = stage_of(gate, used)
    if stage is None or stage == "stop":
        return None
    effect = "cheaper models are preferred" if stage == "downgrade" else "nothing is refused yet"
    what = (
        f"has sent the same request {used:,} times"
        if reason_of(gate) == "loop"
        else f"has spent {quantity(used, gate.measure)} in five minutes, far more than runs of its type do"
    )
    return finding(
        "run_warning",
        f"{gate.account.name}/{stage}",
        severity="warning",
        subject=gate.name,
        message=f"Run '{gate.name}' {what}; {effect}.",
        at_us=at_us,
        ends_us=at_us + OPEN_US,
        data={"run": gate.name, "reason": reason_of(gate), "stage": stage},
    )


def reason_of(gate: Gate) -> str:
    """What a run's gate guards against."""
    measure = gate.account.name.rpartition("#")[2].partition("/")[0]
    return REASONS.get(measure, measure)
