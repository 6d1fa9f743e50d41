"""Metrics of what all workers see alike: how budgets stand, and how long ago the ledger was asked about them.

They are told once, by the worker that is asked. Only budgets that everybody shares are told, and not more than
`MOST_BUDGETS` of them: one figure for each user or customer would be more than a metrics store can hold.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from bursar.clock import US_PER_S
from bursar.console.fleet import Family, Sample
from bursar.errors import CountersUnavailable
from bursar.gateway.state import Gateway
from bursar.money import PICO_PER_USD
from bursar.policy.decide import budget_gate
from bursar.policy.gates import Gate, Measure
from bursar.policy.stems import RUNS

MOST_BUDGETS: Final = 1_000

_GAUGE: Final = "gauge"


def shared_families(gateway: Gateway) -> Iterator[Family]:
    """Every such metric, now; how budgets stand is left out while the counters cannot be asked."""
    seeded = gateway.seeded
    if seeded.at_us is not None:
        age_s = (gateway.clock.monotonic_us() - seeded.at_us) / US_PER_S
        yield _gauge("bursar_seeding_age_seconds", "Time since budgets were compared with the ledger.", age_s)
    missing = len(seeded.missing - {RUNS})
    yield _gauge("bursar_unseeded_budgets", "Budgets that do not know yet what was spent before.", missing)
    rules, at_us = gateway.snapshot.rules, gateway.clock.now_us()
    common = (rule for rule in rules.by_name.values() if not rule.budget.per)
    gates = [budget_gate(rule, (), rules, at_us=at_us) for rule in islice(common, MOST_BUDGETS)]
    if not gates:
        return
    try:
        balances = gateway.counters.balances([gate.account for gate in gates], at_us=at_us)
    except CountersUnavailable:
        # `/readyz` and the log say so; a figure from before would be taken for one of now.
        return
    for what, amounts in (
        ("limit", [gate.limit for gate in gates]),
        ("spent", [balance.spent for balance in balances]),
        ("held", [balance.held for balance in balances]),
    ):
        yield from _amounts(what, gates, amounts)


def _amounts(what: str, gates: list[Gate], amounts: list[int]) -> Iterator[Family]:
    """One family for each measure: Prometheus' numbers are floats, so dollars are good to about a nanodollar here."""
    texts = {"limit": "Limit, top-ups included", "spent": "Spent in the present period", "held": "Reserved in flight"}
    measures: tuple[tuple[Measure, str, int], ...] = (("usd", "usd", PICO_PER_USD), ("tokens", "tokens", 1))
    for measure, unit, one in measures:
        name = f"bursar_budget_{what}_{unit}"
        samples = tuple(
            Sample(name, {"budget": gate.name}, amount / one)
            for gate, amount in zip(gates, amounts, strict=True)
            if gate.measure == measure
        )
        if samples:
            yield Family(name, f"{texts[what]}, by budget.", _GAUGE, samples)


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, text, _GAUGE, (Sample(name, {}, value),))
