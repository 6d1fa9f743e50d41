"""What `/metrics` and `/readyz` tell of budgets and the stores behind them."""

import re

import pytest

from bursar.counters.memory import MemoryCounters
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Hold
from bursar.policy.decide import budget_gate
from bursar.policy.stems import RUNS
from support.console import RunningConsole

CONFIG = """
[[budgets]]
name = "all"
limit_usd = "2.5"
[[budgets]]
name = "tokens"
limit_tokens = 100
mode = "soft"
[[budgets]]
name = "each"
per = ["user"]
limit_usd = "1"
"""


@pytest.fixture
def desk(tmp_path):
    """A console with budgets."""
    with RunningConsole(tmp_path, config=CONFIG, has_ledger=False) as running:
        yield running


def figures(desk) -> dict[str, float]:
    """The metrics of budgets, and of what is known of them."""
    lines = re.findall(
        r"^(bursar_(?:budget|seeding|unseeded|holds|unchecked)\S*) (\S+)$", desk.get("/metrics").text, re.MULTILINE
    )
    return {name: float(value) for name, value in lines}


def test_budgets(desk):
    """Budgets that everybody shares are told with limit, spent and held; those of each user are not."""
    gateway = desk.gateway
    gate = budget_gate(gateway.snapshot.rules.by_name["all"], (), gateway.snapshot.rules, at_us=desk.now_us)
    gateway.counters.settle(Hold("a", desk.now_us, (gate.account,), (0,)), (10**12,))
    gateway.counters.reserve(Hold("b", desk.now_us, (gate.account,), (5 * 10**11,)))
    told = figures(desk)

    assert [2.5, 1.0, 0.5] == [told[f'bursar_budget_{what}_usd{{budget="all"}}'] for what in ("limit", "spent", "held")]
    assert 100.0 == told['bursar_budget_limit_tokens{budget="tokens"}']
    assert not any("each" in name for name in told)
    assert (0.0, 0.0) == (told["bursar_holds_in_flight"], told["bursar_unchecked_admissions_total"])


def test_seeding(desk):
    """While budgets do not know what was spent before, the gateway is not ready and says why; then their age tells."""
    gateway = desk.gateway
    before = desk.get("/readyz")
    gateway.seeded.missing = gateway.snapshot.rules.stems | {RUNS}
    gateway.seeded.problem = "no ledger process answers"
    blind, told = desk.get("/readyz"), figures(desk)
    gateway.seeded.missing = frozenset({RUNS})
    gateway.seeded.at_us = gateway.clock.monotonic_us() - 5_000_000
    after, later = desk.get("/readyz"), figures(desk)

    assert [200, 503, 200] == [one.status for one in (before, blind, after)]
    assert ["still reading the ledger: no ledger process answers"] == blind.json["reasons"]
    assert 3.0 == told["bursar_unseeded_budgets"]
    assert "bursar_seeding_age_seconds" not in told
    assert 5.0 <= later["bursar_seeding_age_seconds"] < 60
    assert 0.0 == later["bursar_unseeded_budgets"]


def test_counters_away(desk, monkeypatch):
    """While nobody can count, the gateway is not ready if a budget is closed then; no stale figure is told."""

    def fail(_self, _accounts, **_rest):
        raise CountersUnavailable("the store is down")

    monkeypatch.setattr(MemoryCounters, "trouble", "the store is down")
    monkeypatch.setattr(MemoryCounters, "balances", fail)
    got = desk.get("/readyz")

    assert (503, ["budgets cannot be counted, and some are closed then: the store is down"]) == (
        got.status,
        got.json["reasons"],
    )
    assert not any(name.startswith("bursar_budget") for name in figures(desk))


def test_open_counters_away(tmp_path, monkeypatch):
    """Where every rule is open, that nobody counts is a remark."""
    monkeypatch.setattr(MemoryCounters, "trouble", "the store is down")
    config = '[[budgets]]\nname = "soft"\nlimit_usd = "1"\nmode = "soft"\n'
    with RunningConsole(tmp_path, config=config, has_ledger=False) as desk:
        got = desk.get("/readyz")

    assert (200, ["budgets and limits are open and not counted: the store is down"]) == (
        got.status,
        got.json["reasons"],
    )
