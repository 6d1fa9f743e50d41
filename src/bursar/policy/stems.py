"""The names of budgets' accounts, which say what is counted and not how much of it is allowed.

A budget whose limit, mode or thresholds change goes on with its account. One that comes to count something else
(another match, measure, window or child) gets a fresh one, which is rebuilt from the ledger, so that an account never
holds a mixture of two countings.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from bursar.config import Budget

RUNS: Final = "run/"
"""What the names of all accounts of agent runs begin with."""

_PRINT_BYTES: Final = 5


def stems_of(budgets: Iterable[Budget]) -> Mapping[str, str]:
    """Stem of the account names by budget: ``budget/search#usd~1f2e3d4c5b``.

    Parents must not form a circle.
    """
    declared = tuple(budgets)
    children: dict[str, list[Budget]] = {}
    for budget in declared:
        if budget.parent is not None:
            children.setdefault(budget.parent, []).append(budget)
    prints: dict[str, str] = {}
    return {one.name: f"budget/{one.name}#{measure_of(one)}~{_print(one, children, prints)}" for one in declared}


def stem_of(account: str) -> str:
    """The stem of a budget's account name; `RUNS` for every account of a run."""
    return RUNS if account.startswith(RUNS) else account.partition("|")[0]


def measure_of(budget: Budget) -> str:
    """What a budget counts: ``usd`` or ``tokens``."""
    return "tokens" if budget.limit_usd is None else "usd"


def _print(budget: Budget, children: Mapping[str, list[Budget]], prints: dict[str, str]) -> str:
    """A hash of whatever decides which attempts count, by how much and when."""
    known = prints.get(budget.name)
    if known is not None:
        return known
    match = {name: (value,) if isinstance(value, str) else sorted(set(value)) for name, value in budget.match.items()}
    below = sorted(_print(child, children, prints) for child in children.get(budget.name, ()))
    counted = (measure_of(budget), match, budget.per, budget.period, budget.window_s, budget.time_zone, below)
    text = msgspec.json.encode(counted, order="deterministic")
    made = prints[budget.name] = hashlib.blake2b(text, digest_size=_PRINT_BYTES).hexdigest()
    return made
