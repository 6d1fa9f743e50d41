"""What deciding about a request's spending costs: match, decide, reserve, remark and settle, in memory."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from bursar.config import Budget, Limit
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.policy.claims import Hold
from bursar.policy.decide import Ask, decide
from bursar.policy.refusals import remarks
from bursar.policy.rules import Rules

AT_US: Final = 1_795_000_000_000_000
LEASE_US: Final = 30_000_000
OTHERS: Final = 10_000
"""Budgets of other teams, which a request does not meet."""

BOUND: Final = 20_000_000_000
COST: Final = 5_000_000_000
"""Two cents and half a cent, in picodollars."""

FACTS: Final = {
    "organisation": "example",
    "team": "search",
    "project": "",
    "key": "search-prod",
    "user": "ann",
    "provider": "openai",
    "model": "gpt-5",
    "dialect": "openai",
    "operation": "chat",
}


def steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """The five steps together, with nothing configured and with 20 rules that match."""
    yield "rules: none configured", request_of(Rules())
    yield "rules: 20 match", request_of(rules_that_match(others=0))
    yield f"rules: 20 of {OTHERS + 20:,} match", request_of(rules_that_match(others=OTHERS))
    yield "rules: 20 match, a user never seen", request_of(rules_that_match(others=OTHERS), is_new_user=True)


def rules_that_match(*, others: int) -> Rules:
    """Eighteen budgets, half of them each user's, and two limits of a key; beside them other teams' budgets."""
    met = [
        Budget(name=f"met-{number}", match={"team": "search"}, limit_usd="1000000", per=("user",) if number % 2 else ())
        for number in range(18)
    ]
    unmet = [Budget(name=f"other-{number}", match={"team": f"t{number}"}, limit_usd="1") for number in range(others)]
    limit = Limit(requests_per_minute=10**9, concurrency=10**6, per=("key",))
    return Rules(budgets=[*met, *unmet], limits=[limit])


def request_of(rules: Rules, *, is_new_user: bool = False) -> Callable[[], object]:
    """One request's passage through the rules."""
    counters = MemoryCounters(MemoryBook(lease_us=LEASE_US), "bench")
    counters.beat(at_us=AT_US)
    numbers = count()

    def request() -> None:
        number = next(numbers)
        facts = {**FACTS, "user": str(number)} if is_new_user else FACTS
        decision = decide(rules.matching(facts, is_run=False), Ask(AT_US, facts, BOUND), rules)
        if not decision.gates:
            return
        hold = Hold(str(number), AT_US, decision.accounts, decision.amounts)
        verdict = counters.reserve(hold)
        if not verdict.is_granted:
            raise RuntimeError(f"no room in {verdict.short}")
        remarks(decision, verdict)
        counters.settle(hold, [COST if gate.measure == "usd" else 0 for gate in decision.gates])

    return request
