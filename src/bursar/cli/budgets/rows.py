"""A budget as one flat row."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bursar.cli.output import Cell, Row
from bursar.config import Budget
from bursar.control.budgetbook import budget_terms
from bursar.control.values import BudgetRecord
from bursar.counters.accounts import BudgetAccount, account_fields

STANDING: Final = (
    "limit_usd",
    "spent_usd",
    "remaining_usd",
    "limit_tokens",
    "spent_tokens",
    "remaining_tokens",
    "resets_at",
)
"""How an account stands; what is reserved by calls in flight only a running gateway knows."""

COLUMNS: Final = (
    "name",
    "source",
    "enabled",
    "mode",
    "match",
    "per",
    "parent",
    "period",
    "window_s",
    "time_zone",
    "account",
    *STANDING,
    "thresholds",
    "when_short",
    "unpriced",
    "on_failure",
    "made_at",
    "made_by",
    "changed_at",
)


def flat_row(found: Budget | BudgetRecord, accounts: Sequence[BudgetAccount], *, now_us: int) -> Row:
    """A budget and its fullest account; what is not restricted, set or known is ``None``."""
    standing = account_fields(accounts[0], at_us=now_us) if accounts else {}
    return {name: flat(value) for name, value in {**budget_terms(found), **standing}.items()}


def flat(value: Any) -> Cell:
    """A value of an API answer as one cell."""
    match value:
        case Mapping():
            return " ".join(f"{name}={flat(one)}" for name, one in value.items()) or None
        case tuple() | list():
            return ",".join(map(str, value)) or None
        case str() | int() | float() | None:
            return value if value != "" else None
        case _:
            return str(value)
