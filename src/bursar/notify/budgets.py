"""What should be said about a budget's account as it stands. Pure.

Thresholds, soft limits, refusals and the forecast are each raised once a window; a raised limit (a top-up) starts them
anew. A rolling budget has no windows, so time is cut into stretches of its length instead, of at least an hour.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from bursar.clock import US_PER_S, format_us
from bursar.config import AlertKind
from bursar.control.values import Fact, Severity
from bursar.counters.protocol import Balance
from bursar.money import format_usd, round_half_even
from bursar.notify.finding import Finding, finding
from bursar.policy.claims import Account
from bursar.policy.gates import Gate, Measure
from bursar.policy.period import Window
from bursar.policy.refusals import quantity
from bursar.policy.rules import BudgetRule

HOUR_US: Final = 3600 * US_PER_S

FORECAST_AFTER_US: Final = 3 * HOUR_US
"""A forecast needs so much of its window to have passed, and a tenth of it."""

_FIGURES: Final = 3
"""Significant figures of a forecast."""

_WARNING_PERCENT: Final = 80

_FULL_PERCENT: Final = 100


class BudgetState(Struct, frozen=True):
    """One account of a budget, as it stands."""

    rule: BudgetRule
    account: Account
    limit: int
    """Top-ups included."""
    balance: Balance
    at_us: int

    @property
    def window(self) -> Window:
        """The time in which each thing is said once."""
        rule = self.rule
        if rule.span_us:
            length_us = max(rule.span_us, HOUR_US)
            start_us = self.at_us - self.at_us % length_us
            return Window(start_us, start_us + length_us)
        return rule.period.window(self.account.window)

    @property
    def forecast(self) -> int | None:
        """What will have been spent by the end of the window if it goes on like this: spent x length / passed.

        ``None`` before a tenth of the window and three hours have passed, and for windows without an end.
        """
        window = self.window
        if self.rule.span_us or window.end_us is None:
            return None
        length_us, passed_us = window.end_us - window.start_us, self.at_us - window.start_us
        if passed_us < max(length_us // 10, FORECAST_AFTER_US) or passed_us > length_us:
            return None
        return round_half_even(self.balance.spent * length_us, passed_us)


def state_of(gate: Gate, rule: BudgetRule, balance: Balance, *, at_us: int) -> BudgetState:
    """The state of the account of a budget's gate."""
    return BudgetState(rule, gate.account, gate.limit, balance, at_us)


def has_reached(state: BudgetState, percent: int) -> bool:
    """Whether so much of the limit is spent; nothing spent has reached nothing."""
    spent = state.balance.spent
    return spent > 0 and spent * 100 >= percent * state.limit


def is_exceeded(state: BudgetState) -> bool:
    """Whether more is spent than the limit of a budget that refuses nothing."""
    return not state.rule.is_hard and state.balance.spent > state.limit


def will_exceed(state: BudgetState) -> bool:
    """Whether the limit is not reached and will be at the present rate."""
    forecast = state.forecast
    return forecast is not None and state.balance.spent <= state.limit < forecast


def budget_findings(state: BudgetState) -> Iterator[Finding]:
    """Whatever is true of an account and should be known."""
    for percent in state.rule.budget.thresholds:
        if has_reached(state, percent):
            yield _threshold(state, percent)
    if is_exceeded(state):
        effect = "cheaper models are preferred" if state.rule.budget.mode == "downgrade" else "nothing is refused"
        yield _finding(state, "budget_exceeded", "critical", f"is exceeded: {_spent(state)}; {effect}")
    if will_exceed(state):
        yield _forecast(state)


def refusing(state: BudgetState) -> Finding:
    """A hard budget has refused a request."""
    held = quantity(state.balance.held, state.rule.measure)
    said = f"has no room and refuses requests: {_spent(state)}, reserved {held}"
    return _finding(state, "budget_refusing", "critical", said)


def _threshold(state: BudgetState, percent: int) -> Finding:
    severity: Severity = "info"
    if percent >= _FULL_PERCENT:
        severity = "critical"
    elif percent >= _WARNING_PERCENT:
        severity = "warning"
    said = f"has used {percent} % of its limit: {_spent(state)}"
    return _finding(state, "budget_threshold", severity, said, detail=f"/{percent}", more={"percent": percent})


def _forecast(state: BudgetState) -> Finding:
    forecast = _rounded(state.forecast or 0)
    measure = state.rule.measure
    said = f"will come to about {quantity(forecast, measure)} at its present rate: {_spent(state)} so far"
    return _finding(state, "budget_forecast", "warning", said, more=_amount("forecast", forecast, measure))


def _finding(
    state: BudgetState,
    kind: AlertKind,
    severity: Severity,
    said: str,
    *,
    detail: str = "",
    more: Mapping[str, Fact] = {},
) -> Finding:
    rule, account, window = state.rule, state.account, state.window
    whose = account.name.partition("|")[2].replace("|", ", ")
    ends = "" if window.end_us is None or rule.span_us else f" It resets at {format_us(window.end_us)}."
    return finding(
        kind,
        f"{account.name}/{window.start_us}{detail}/{state.limit}",
        severity=severity,
        subject=rule.name,
        message=f"Budget '{rule.name}'{f' ({whose})' if whose else ''} {said}.{ends}",
        at_us=state.at_us,
        ends_us=window.end_us,
        data={
            "budget": rule.name,
            "mode": rule.budget.mode,
            "whose": whose,
            **_amount("limit", state.limit, rule.measure),
            **_amount("spent", state.balance.spent, rule.measure),
            **_amount("reserved", state.balance.held, rule.measure),
            **more,
            "account": account.name,
            "window": account.window,
        },
    )


def _spent(state: BudgetState) -> str:
    measure = state.rule.measure
    return f"spent {quantity(state.balance.spent, measure)} of {quantity(state.limit, measure)}"


def _amount(name: str, amount: int, measure: Measure) -> dict[str, Fact]:
    return {f"{name}_usd": format_usd(amount)} if measure == "usd" else {f"{name}_tokens": amount}


def _rounded(amount: int) -> int:
    """An amount to three significant figures: nobody believes more of a forecast."""
    unit = int(10 ** max(0, len(str(amount)) - _FIGURES))
    return round_half_even(amount, unit) * unit
