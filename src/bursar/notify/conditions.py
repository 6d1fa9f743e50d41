"""Alerts that are over: their window has ended, the limit was raised, the budget is gone, the forecast has sunk.

Counters that know less than an alert says was spent have just been started, and are not believed yet; or a correction
has lowered it, or a rolling window let go of it, and the alert stays until its time is over.

One worker does this for all. Open alerts are gone through page by page, a page a turn, so that many of them take longer
and cost no more.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from bursar.clock import Clock
from bursar.control.state import Alerts
from bursar.control.values import AlertRecord
from bursar.counters.protocol import Balance, Counters
from bursar.errors import CountersUnavailable
from bursar.money import parse_usd
from bursar.notify.budgets import BudgetState, has_reached, is_exceeded, will_exceed
from bursar.policy.claims import Account
from bursar.policy.decide import whose_in
from bursar.policy.rules import BudgetRule, Rules

PAGE: Final = 100


class Conditions:
    """Resolves alerts. `look` is meant to run every second, and raises ControlUnavailable."""

    def __init__(self, alerts: Alerts, counters: Counters, clock: Clock, *, rules: Callable[[], Rules]) -> None:
        self._alerts: Final = alerts
        self._counters: Final = counters
        self._clock: Final = clock
        self._rules: Final = rules
        self._after = 0

    async def look(self) -> None:
        """Resolve what has ended, and what is over on the next page of open alerts."""
        at_us = self._clock.now_us()
        ended, page = await asyncio.to_thread(self._read, at_us)
        self._after = page[-1].id if page else 0
        over = {one.id for one in (*ended, *self._over(page, at_us))}
        if over:
            await asyncio.to_thread(self._resolve, sorted(over), at_us)

    def _read(self, at_us: int) -> tuple[tuple[AlertRecord, ...], tuple[AlertRecord, ...]]:
        return self._alerts.ended(at_us, limit=PAGE), self._alerts.unresolved(after=self._after, limit=PAGE)

    def _resolve(self, numbers: Sequence[int], at_us: int) -> None:
        for number in numbers:
            self._alerts.resolve(number, at_us=at_us)

    def _over(self, page: Sequence[AlertRecord], at_us: int) -> list[AlertRecord]:
        rules = self._rules()
        about = [one for one in page if "budget" in one.alert.data]
        found = [_account_of(one, rules) for one in about]
        known = [(one, *account) for one, account in zip(about, found, strict=True) if account is not None]
        over = [one for one, account in zip(about, found, strict=True) if account is None]
        if self._counters.trouble is not None:
            return over
        try:
            balances = self._counters.balances([account for _, _, account in known], at_us=at_us) if known else ()
        except CountersUnavailable:
            return over
        return over + [
            record
            for (record, rule, account), balance in zip(known, balances, strict=True)
            if not _holds(record, _state(rule, account, balance, at_us))
        ]


def _account_of(record: AlertRecord, rules: Rules) -> tuple[BudgetRule, Account] | None:
    """The budget an alert is about, as it is now, and its account; ``None`` when there is no such account any more."""
    data = record.alert.data
    rule, name, window = rules.by_name.get(str(data["budget"])), str(data["account"]), int(data["window"] or 0)
    whose = None if rule is None else whose_in(rule, name)
    if rule is None or whose is None:
        return None
    limit = rules.limit_of(rule, whose, rule.period.window(window))
    return rule, Account(name=name, window=window, limit=limit, span_us=rule.span_us)


def _state(rule: BudgetRule, account: Account, balance: Balance, at_us: int) -> BudgetState:
    return BudgetState(rule, account, account.limit or 0, balance, at_us)


def _holds(record: AlertRecord, state: BudgetState) -> bool:
    """Whether what an alert says of a budget is still so, as far as that can be told."""
    alert = record.alert
    if state.balance.spent < _amount_then(record, "spent"):
        return True
    match alert.kind:
        case "budget_threshold":
            return has_reached(state, int(alert.data["percent"] or 0))
        case "budget_exceeded":
            return is_exceeded(state)
        case "budget_forecast":
            return will_exceed(state)
        case _:
            return state.limit <= _amount_then(record, "limit")


def _amount_then(record: AlertRecord, name: str) -> int:
    data = record.alert.data
    return int(parse_usd(str(data[f"{name}_usd"]))) if f"{name}_usd" in data else int(data[f"{name}_tokens"] or 0)
