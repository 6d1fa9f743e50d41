"""How budgets stand, for people: what the ledger says of their accounts, and what counters say where there are any."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bursar.clock import format_us
from bursar.counters.protocol import Balance, Counters
from bursar.counters.rebuild import budget_inquiries
from bursar.ledger.questions import Charges, ChargesQuestion
from bursar.money import format_usd
from bursar.policy.decide import budget_gate, whose_in
from bursar.policy.gates import Gate, Measure
from bursar.policy.rules import BudgetRule, Rules

Ask = Callable[[ChargesQuestion], Charges]
"""Asks the ledger."""

_FOR_EVER: Final = 1 << 62


class BudgetAccount(Struct, frozen=True):
    """One account of a budget as it stands."""

    rule: BudgetRule
    gate: Gate
    spent: int
    held: int | None = None
    """Reserved by calls in flight; ``None`` where no counters were asked."""


def accounts_of(rules: Rules, ask: Ask, *, at_us: int) -> Mapping[str, Sequence[BudgetAccount]]:
    """Every account in which the ledger knows spend now, by budget, the fullest first.

    A budget without ``per`` has its one account even when nothing was spent.
    """
    spent: dict[str, dict[str, int]] = {name: {} for name in rules.by_name}
    for name, rule in rules.by_name.items():
        if not rule.budget.per:
            spent[name][rule.stem] = 0
    for inquiry in budget_inquiries(rules, at_us=at_us, began_us=_FOR_EVER, counted=lambda _: ()):
        by_stem = {rule.stem: rule for rule in inquiry.budgets}
        for spot, amount in inquiry.spots(ask(inquiry.question).rows):
            rule = by_stem[spot.account.partition("|")[0]]
            if inquiry.window == rule.period.window(at_us):
                accounts = spent[rule.name]
                accounts[spot.account] = accounts.get(spot.account, 0) + amount
    return {
        name: sorted(
            (_account(rules.by_name[name], account, amount, rules, at_us) for account, amount in accounts.items()),
            key=lambda one: (-one.spent, one.gate.subject),
        )
        for name, accounts in spent.items()
    }


def counted(accounts: Sequence[BudgetAccount], counters: Counters, *, at_us: int) -> list[BudgetAccount]:
    """The same accounts as counters see them; raises CountersUnavailable."""
    balances: Sequence[Balance] = counters.balances([one.gate.account for one in accounts], at_us=at_us)
    return [
        BudgetAccount(one.rule, one.gate, balance.spent, balance.held)
        for one, balance in zip(accounts, balances, strict=True)
    ]


def account_fields(account: BudgetAccount, *, at_us: int) -> dict[str, str | int | None]:
    """An account as the API tells it: every amount in USD or in tokens, whichever the budget counts."""
    gate, held = account.gate, account.held
    end_us = account.rule.period.window(at_us).end_us
    amounts = {
        "limit": gate.limit,
        "spent": account.spent,
        "held": held,
        "remaining": max(0, gate.limit - account.spent - (held or 0)),
    }
    return {
        "account": gate.subject or None,
        **{f"{name}_usd": _usd(amount, gate.measure) for name, amount in amounts.items()},
        **{f"{name}_tokens": None if gate.measure == "usd" else amount for name, amount in amounts.items()},
        "resets_at": None if end_us is None else format_us(end_us),
    }


def _account(rule: BudgetRule, name: str, spent: int, rules: Rules, at_us: int) -> BudgetAccount:
    whose = whose_in(rule, name)
    return BudgetAccount(rule, budget_gate(rule, () if whose is None else whose, rules, at_us=at_us), spent)


def _usd(amount: int | None, measure: Measure) -> str | None:
    return None if amount is None or measure != "usd" else format_usd(amount)
