"""Alerts about what calls have done: once for each thing, whoever looks and however often."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.config import Budget, Run
from bursar.errors import ControlUnavailable, CountersUnavailable
from bursar.policy.runs import Task
from support.alerting import Desk
from support.ledger_records import DAY_US, FixedClock

CENT = 10**10
S = 1_000_000
SEARCH = Budget(name="search", limit_usd="1")


def percents(desk) -> list[int]:
    """The thresholds that were raised, in order."""
    return [one.alert.data["percent"] for one in desk.raised("budget_threshold")]


def task(name="t", *, budget=None, kind="review", fingerprint="f", depth=0) -> Task:
    """A request's place in a run."""
    return Task(id=name, scope="acme/search", type=kind, budget=budget, depth=depth, fingerprint=fingerprint)


def test_once_a_window(desk, clock):
    """Each threshold is raised when it is crossed, once in a window, however often one looks and spends."""
    one = desk(budgets=[SEARCH])
    for _ in range(9):
        one.spend(10 * CENT)
        one.look()
        one.look()
    clock.us += 31 * DAY_US
    one.spend(60 * CENT)
    one.look()

    assert [50, 80, 50] == percents(one)


def test_looked_at_once(desk, monkeypatch):
    """An account is looked at once for all that was spent since the last look, and not again until it is used."""
    one = desk(budgets=[SEARCH, Budget(name="other", match={"team": "x"}, limit_usd="1")])
    asked, balances = [], one.counters.balances

    def counted(accounts, *, at_us):
        asked.append([account.name.partition("#")[0] for account in accounts])
        return balances(accounts, at_us=at_us)

    monkeypatch.setattr(one.counters, "balances", counted)
    for _ in range(5):
        one.spend(CENT)
    for _ in range(3):
        one.look()

    assert [["budget/search"]] == [names for names in asked if names]


def test_every_account_for_itself(desk):
    """Each user's account of a budget has thresholds of its own, and so has the envelope."""
    envelope = Budget(name="company", match={"team": "nobody"}, limit_usd="2", thresholds=(80,))
    users = Budget(name="users", per=("user",), limit_usd="1", parent="company", thresholds=(80,))
    one = desk(budgets=[envelope, users])
    for user in ("ann", "bob"):
        one.spend(85 * CENT, user=user)
    one.look()

    assert {("users", "user=ann"), ("users", "user=bob"), ("company", "")} == {
        (record.alert.subject, record.alert.data["whose"]) for record in one.raised()
    }


def test_restart(desk):
    """What was raised before a restart is not raised after it."""
    first = desk(budgets=[SEARCH])
    first.spend(60 * CENT)
    first.look()
    second = desk(budgets=[SEARCH], book=first.book)
    second.spend(25 * CENT)
    second.look()

    assert [50, 80] == percents(second)


def test_two_workers_at_once(desk):
    """Workers that look at the same moment raise each thing once between them."""
    first = desk(budgets=[SEARCH])
    workers = [first, desk(budgets=[SEARCH], book=first.book, worker="w2")]
    for one in workers:
        one.spend(45 * CENT)
    start = threading.Barrier(len(workers))

    def look(one: Desk) -> None:
        start.wait()
        one.look()

    threads = [threading.Thread(target=look, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [50, 80] == percents(first)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30 * CENT), st.booleans()), max_size=12),
    st.lists(st.integers(1, 150), min_size=1, max_size=5, unique=True),
)
def test_raised_is_crossed(tmp_path_factory, spends, thresholds):
    """Whatever is spent in whichever order by whichever worker, exactly the thresholds are raised that were crossed."""
    folder, clock = tmp_path_factory.mktemp("state"), FixedClock()
    budget = Budget(name="b", limit_usd="1", mode="soft", thresholds=tuple(thresholds))
    first = Desk(folder, clock, budgets=[budget])
    desks = [first, *(Desk(folder, clock, budgets=[budget], book=first.book, worker=f"w{n}") for n in (2, 3))]
    for worker, cost, is_looked_at in spends:
        desks[worker].spend(cost)
        if is_looked_at:
            desks[worker].look()
    for one in desks:
        one.look()
    spent = sum(cost for _, cost, _ in spends)

    assert sorted(one for one in thresholds if spent and spent * 100 >= one * 100 * CENT) == sorted(percents(first))
    for one in desks:
        one.close()


def test_hard_budget_that_refuses(desk):
    """A hard budget that has refused is told of once, with every budget that had no room."""
    one = desk(budgets=[SEARCH, Budget(name="wide", limit_usd="1.05")])
    one.spend(90 * CENT)
    assert [False] * 3 == [one.spend(20 * CENT) for _ in range(3)]
    one.look()

    assert ["search", "wide"] == sorted(record.alert.subject for record in one.raised("budget_refusing"))


def test_run_that_is_stopped(desk):
    """A run that reached its ceiling, its steps or loops is told of once for each reason, with what it was told."""
    one = desk(runs=[Run(max_steps=3, max_repeats=1, stages=("stop",))])
    for fingerprint in "abcde":
        one.spend(10 * CENT, task=task(fingerprint=fingerprint))
    for _ in range(3):
        one.spend(CENT, task=task("loop"))
        one.spend(CENT, task=task("loop 2"))
        one.spend(40 * CENT, task=task("dear", budget=35 * CENT))
    one.look()
    told = sorted(one.raised(), key=lambda record: ["t", "dear", "loop", "loop 2"].index(record.alert.subject))

    assert [
        ("t", "run_limit", "steps"),
        ("dear", "task_budget_exceeded", "ceiling"),
        ("loop", "run_limit", "loop"),
        ("loop 2", "run_limit", "loop"),
    ] == [(record.alert.subject, record.alert.kind, record.alert.data["reason"]) for record in told]
    assert told[1].alert.message.startswith("Run 'dear' has no room: limit $0.35")


def test_run_in_stages(desk):
    """A run that spends twenty times what its type does is warned of, then downgraded, then stopped."""
    one = desk(runs=[Run(velocity_factor=4.0, velocity_floor_usd="0.01")], velocities={"review": 5 * CENT})
    granted = []
    for _ in range(10):
        granted.append(one.spend(10 * CENT, task=task("wild")))
        one.look()
    slow = [one.spend(CENT, task=task(f"slow-{number}")) for number in range(10)]
    one.look()

    assert [True] * 6 + [False] * 4 == granted
    assert [True] * 10 == slow
    assert [("run_warning", "warn"), ("run_warning", "downgrade"), ("run_limit", None)] == [
        (record.alert.kind, record.alert.data.get("stage")) for record in one.raised()
    ]
    assert {"wild"} == {record.alert.subject for record in one.raised()}


def test_run_that_was_stopped_is_not_warned_of(desk):
    """A run that reaches several stages between two looks is told of by the last."""
    one = desk(runs=[Run(velocity_factor=4.0, velocity_floor_usd="0.01")], velocities={"review": 5 * CENT})
    for _ in range(10):
        one.spend(10 * CENT, task=task("wild"))
    one.look()

    assert ["run_limit"] == [record.alert.kind for record in one.raised()]


def test_run_that_is_about_to_be_stopped(desk):
    """A run that one call took past all stages is not warned of; it is told of when its next call is refused."""
    one = desk(runs=[Run(velocity_factor=4.0, velocity_floor_usd="0.01")], velocities={"review": 5 * CENT})
    one.spend(100 * CENT, bound=1, task=task("wild"))
    one.look()
    before = one.raised()
    one.spend(CENT, task=task("wild"))
    one.look()

    assert ([], ["run_limit"]) == (before, [record.alert.kind for record in one.raised()])


def test_slow_run(desk, clock):
    """A run that spends as its type does is never touched, however much it spends in all."""
    one = desk(runs=[Run(velocity_factor=4.0, velocity_floor_usd="0.01")], velocities={"review": 5 * CENT})
    granted = []
    for _ in range(50):
        granted.append(one.spend(5 * CENT, task=task()))
        one.look()
        clock.us += 300 * S

    assert (True, []) == (all(granted), one.raised())


def test_control_state_away(desk, monkeypatch):
    """While alerts cannot be kept they wait, and are raised when they can."""
    one = desk(budgets=[SEARCH])
    raise_once = type(one.control.alerts).raise_once

    def away(*_, **__):
        raise ControlUnavailable("the disk is full")

    monkeypatch.setattr(type(one.control.alerts), "raise_once", away)
    one.spend(60 * CENT)
    one.look()
    monkeypatch.setattr(type(one.control.alerts), "raise_once", raise_once)
    before = one.raised()
    one.look()

    assert ([], [50]) == (before, percents(one))


def test_counters_away(desk, monkeypatch):
    """While accounts cannot be read, what was touched and refused is kept for the next look."""
    one = desk(budgets=[SEARCH])
    balances = type(one.counters).balances

    def away(*_, **__):
        raise CountersUnavailable("redis is away")

    monkeypatch.setattr(type(one.counters), "balances", away)
    one.spend(60 * CENT)
    one.spend(60 * CENT)
    one.look()
    monkeypatch.setattr(type(one.counters), "balances", balances)
    before = one.raised()
    one.look()

    assert ([], {"budget_threshold", "budget_refusing"}) == (before, {record.alert.kind for record in one.raised()})


def test_counters_in_trouble(desk, monkeypatch):
    """Counters that are known to be away are not asked, for they would hold up calls until their time-out."""
    one = desk(budgets=[SEARCH])
    one.spend(60 * CENT)
    with monkeypatch.context() as patched:
        patched.setattr(one.counters, "trouble", "redis is away")
        patched.setattr(one.counters, "balances", None)
        one.look()
        one.tidy()
        before = one.raised()
    one.look()

    assert ([], [50]) == (before, percents(one))


@pytest.mark.parametrize("to", [(), ("ops", "chat")])
def test_queued(desk, to):
    """An alert is queued for whoever is told of its kind, as it is raised."""
    one = desk(budgets=[SEARCH], to=to)
    one.spend(60 * CENT)
    one.look()

    assert list(to) == [each.channel for each in one.control.outbox.about([1])]
