"""Seeds from the ledger: counters that are rebuilt stand where counters stand that settled everything themselves."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.config import Budget
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.counters.protocol import Spot
from bursar.counters.rebuild import inquiries
from bursar.events import Outcome, Principal
from bursar.gateway.holding import used_by
from bursar.ledger.columns import table_of
from bursar.ledger.duckdb_store import DuckDBStore
from bursar.ledger.row import corrected_rows, settled_row
from bursar.policy.claims import Account, Hold
from bursar.policy.decide import Ask, decide
from bursar.policy.rules import Rules
from bursar.policy.runs import Task, run_claims, scope_of
from bursar.policy.subject import facts_of
from support.ledger_records import DAY_US, HOUR_US, START_US, corrected, facts, settled, settlements, unpriced

NOW_US = START_US + 2 * HOUR_US + HOUR_US // 2

RULES_OF = {"config-1": 0, "config-2": 1}
"""Position of the rules that were in force under a configuration."""


@pytest.fixture
def store_of(tmp_path):
    """Makes stores with these rows; only the last one stays open."""
    opened = []

    def make(rows):
        for store in opened:
            store.close()
        DuckDBStore.discard(tmp_path / "index.duckdb")
        opened[:] = [DuckDBStore.open(tmp_path / "index.duckdb", memory_limit_mb=256)]
        opened[0].append("s", table_of(rows))
        return opened[0]

    yield make
    for store in opened:
        store.close()


def seeds(store, rules, *, began_us=NOW_US, counted=lambda _: (), at_us=NOW_US):
    """The spots for `Counters.seed`."""
    spent = Counter()
    for inquiry in inquiries(rules, at_us=at_us, began_us=began_us, counted=counted):
        for spot, amount in inquiry.spots(store.charges(inquiry.question).rows):
            spent[spot] += amount
    return spent


def settle(counters, rules, settlement):
    """Count an attempt as the gateway does."""
    about = settlement.facts
    if settlement.outcome in (Outcome.REFUSED, Outcome.INTERRUPTED):
        return
    subject = facts_of(
        about.principal,
        about.tags,
        provider=about.provider,
        model=about.model,
        dialect=about.dialect,
        operation=about.operation,
        task_type=about.task_type,
    )
    tokens = about.bound_tokens or 0
    needs = decide(
        rules.matching(subject, is_run=False),
        Ask(at_us=about.at_us, facts=subject, bound=about.bound or 0, tokens=tokens),
        rules,
    )
    hold = Hold(f"{about.call_id}/{about.attempt}", about.at_us, needs.accounts, needs.amounts)
    counters.settle(hold, used_by(settlement, needs, needs.amounts))


def standing(counters, rules):
    """What accounts have spent that exist now, by name."""
    slots = counters._book.slots.keys() | counters._book.seeds.keys()
    found = {}
    for rule in rules.by_name.values():
        window = rule.period.window(NOW_US).start_us
        for account, _ in [key for key in slots if key[0].startswith(rule.stem) and key[1] == window]:
            asked = Account(account, window=window, span_us=rule.span_us)
            found[account] = counters.balances([asked], at_us=NOW_US)[0].spent
    return {account: spent for account, spent in found.items() if spent}


def counters():
    return MemoryCounters(MemoryBook(lease_us=10**9), "w")


matches = st.fixed_dictionaries(
    {},
    optional={
        "team": st.sampled_from(["a", ("a", "b"), "*", ""]),
        "user": st.sampled_from(["a", "*ü", ""]),
        "agent": st.sampled_from(["b", ("", "a")]),
        "model": st.sampled_from(["m1", "m*"]),
    },
)
periods = st.sampled_from([("hour", None), ("day", None), ("month", None), ("total", None), ("rolling", 7200.0)])


@st.composite
def budgets(draw):
    """Budgets over few dimensions, some of them inside others."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        period, window_s = draw(periods)
        parents = [one.name for one in made if one.limit_usd is not None]
        is_usd = draw(st.booleans())
        made.append(
            Budget(
                name=f"b{number}",
                match=draw(matches),
                per=tuple(draw(st.lists(st.sampled_from(["user", "agent", "key"]), max_size=2, unique=True))),
                parent=draw(st.none() | st.sampled_from(parents)) if parents and is_usd else None,
                limit_usd="1" if is_usd else None,
                limit_tokens=None if is_usd else 5,
                period=period,
                window_s=window_s,
                time_zone=draw(st.sampled_from(["UTC", "Asia/Kolkata"])),
                mode="soft",
            )
        )
    return made


unique_settlements = st.lists(
    settlements().filter(lambda one: one.facts.at_us <= NOW_US),
    max_size=12,
    unique_by=lambda one: (one.facts.call_id, one.facts.attempt),
)
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(unique_settlements, budgets())
@FEW
def test_seeded_equals_settled(store_of, settled_before, declared):
    """Counters that begin empty and are seeded stand where those do that settled the same attempts."""
    rules = Rules(budgets=declared)
    witness, rebuilt = counters(), counters()
    for one in settled_before:
        settle(witness, rules, one)
    rebuilt.seed(seeds(store_of([settled_row(one) for one in settled_before]), rules, began_us=NOW_US + DAY_US))

    assert standing(witness, rules) == standing(rebuilt, rules)


@given(unique_settlements, budgets(), st.integers(0, 5), st.integers(-3, 3))
@FEW
def test_seeds_complete_what_was_settled(store_of, all_settled, declared, kept, began_hours):
    """Whenever counting began, and whatever budgets were added since, nothing is counted twice and nothing missed.

    The first configuration knew only some of the budgets, and the counters have counted what it knew.
    """
    began_us = START_US + began_hours * HOUR_US
    both = (Rules(budgets=declared[:kept]), Rules(budgets=declared))
    witness, counting = counters(), counters()
    for one in all_settled:
        settle(witness, both[1], one)
        if one.facts.at_us >= began_us:
            settle(counting, both[RULES_OF[one.facts.config]], one)
    store = store_of([settled_row(one) for one in all_settled])

    def counted(rule):
        return tuple(config for config, position in RULES_OF.items() if rule.stem in both[position].stems)

    counting.seed(seeds(store, both[1], began_us=began_us, counted=counted))
    assert standing(witness, both[1]) == standing(counting, both[1])


def test_corrections_of_counted_attempts(store_of):
    """What a correction changed about an attempt that was settled here comes with the seeds."""
    rules = Rules(budgets=[Budget(name="b", limit_usd="1", period="total")])
    first = settled_row(settled(1))
    store = store_of([first, *corrected_rows(first, corrected(1, cost=1_300, delta=300))])

    found = seeds(store, rules, began_us=START_US, counted=lambda _: ("config-1",))
    assert {Spot(f"{rules.by_name['b'].stem}"): 300} == dict(found)


def test_ten_thousand_budgets():
    """The number of questions goes by the ways budgets are written, not by their number."""
    rules = Rules(
        budgets=[
            Budget(
                name=f"{kind}{number}",
                match={kind: f"v{number}"},
                limit_usd="1",
                period=("day", "month")[number % 2],
                parent=None,
            )
            for kind in ("team", "user", "key")
            for number in range(3_334)
        ]
    )

    asked = list(inquiries(rules, at_us=NOW_US + DAY_US, began_us=NOW_US + DAY_US, counted=lambda _: ()))
    budgets_asked = [one for one in asked if one.budgets]
    assert 10_002 == len(rules.by_name)
    assert 3 * 2 * 2 == len(budgets_asked)


def test_windows_that_just_ended(store_of):
    """Shortly after midnight the day before is still seeded, for calls of it that are retried."""
    rules = Rules(budgets=[Budget(name="b", limit_usd="1", period="day")])
    store = store_of([settled_row(settled(about=facts(1, at_us=START_US - 1))), settled_row(settled(2))])
    stem = rules.by_name["b"].stem

    early = seeds(store, rules, at_us=START_US + 60_000_000, began_us=START_US + DAY_US)
    later = seeds(store, rules, at_us=START_US + HOUR_US, began_us=START_US + DAY_US)
    assert {Spot(stem, START_US - DAY_US): 1000, Spot(stem, START_US): 1000} == dict(early)
    assert {Spot(stem, START_US): 1000} == dict(later)


def test_runs(store_of):
    """Runs that were seen in the last day come back with all they spent, by team or by key; older ones do not."""
    team, alone = Principal("acme", "search", "p", "k1"), Principal("acme", "", "p", "k2")
    rows = [
        settled(about=facts(1, task="long", at_us=START_US - 3 * DAY_US, principal=team)),
        unpriced(about=facts(2, task="long", at_us=START_US, principal=team, bound=500), usage=()),
        settled(about=facts(3, task="old", at_us=START_US - 3 * DAY_US, principal=team)),
        settled(about=facts(4, task="own", at_us=NOW_US - 1_000_000, principal=alone)),
        settled(about=facts(5, task=None, at_us=START_US, principal=team)),
    ]
    found = seeds(store_of(list(map(settled_row, rows))), Rules())

    def names(principal, task):
        asked = Task(task, scope_of(principal), "", 5, 0, "")
        return [gate.account.name for gate in run_claims(None, asked, 1, velocities={})]

    spent = {spot.account: amount for spot, amount in found.items() if spot.account.endswith("#usd")}
    assert {names(team, "long")[0]: 1500, names(alone, "own")[0]: 1000} == spent
    steps = {spot.account: amount for spot, amount in found.items() if spot.account.endswith("#steps")}
    assert [1, 2] == sorted(steps.values())
    assert [1000] == [amount for spot, amount in found.items() if spot.account.endswith("#speed")]
