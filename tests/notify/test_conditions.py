"""Alerts that are over."""

import pytest

from bursar.config import Budget
from bursar.errors import CountersUnavailable
from bursar.policy.rules import Extra, Rules
from support.ledger_records import DAY_US

CENT = 10**10
SEARCH = Budget(name="search", limit_usd="1", per=("user",))
SOFT = Budget(name="soft", limit_usd="1", mode="soft", thresholds=())


def test_window_ends(desk, clock):
    """With its window an alert is over."""
    one = desk(budgets=[SEARCH])
    one.spend(60 * CENT, user="ann")
    one.look()
    clock.us += 30 * DAY_US - 1
    one.tidy()
    before = one.opened()
    clock.us += 1
    one.tidy()

    assert ({"budget_threshold"}, set()) == (before, one.opened())


def test_top_up(desk):
    """More room ends what was said of less: what was reached is not, and what refused does not."""
    one = desk(budgets=[SEARCH, SOFT])
    one.spend(95 * CENT, user="a|n%n")
    one.spend(20 * CENT, user="a|n%n")
    one.spend(20 * CENT, user="bob")
    one.look()
    before = {record.alert.kind for record in one.raised()}
    extras = [Extra("search", 2 * 10**12, whose="a|n%n"), Extra("soft", 10**12)]
    one.rules = Rules(budgets=[SEARCH, SOFT], extras=extras)
    one.tidy()

    assert {"budget_threshold", "budget_refusing", "budget_exceeded"} == before
    assert set() == one.opened()


def test_top_up_of_another(desk):
    """A top-up of one user's account says nothing of another's."""
    one = desk(budgets=[SEARCH])
    one.spend(95 * CENT, user="ann")
    one.look()
    one.rules = Rules(budgets=[SEARCH], extras=[Extra("search", 10**12, whose="bob")])
    one.tidy()

    assert {"budget_threshold"} == one.opened()


def test_raised_again_at_the_new_limit(desk):
    """After a top-up the same threshold is told of again when it is crossed again, once."""
    one = desk(budgets=[SEARCH])
    one.spend(60 * CENT, user="ann")
    one.look()
    one.rules = Rules(budgets=[SEARCH], extras=[Extra("search", 10**12)])
    one.tidy()
    for _ in range(2):
        one.spend(30 * CENT, user="ann")
        one.look()
    told = [(record.alert.data["limit_usd"], record.resolved_us is None) for record in one.raised()]

    assert [("1.00", False), ("2.00", True)] == told


@pytest.mark.parametrize("after", [(), (Budget(name="search", limit_usd="1", per=("user",), match={"team": "x"}),)])
def test_budget_is_gone(desk, after):
    """What was said of a budget that is gone, or counts something else now, is over."""
    one = desk(budgets=[SEARCH])
    one.spend(60 * CENT, user="ann")
    one.look()
    one.rules = Rules(budgets=after)
    one.tidy()

    assert set() == one.opened()


def test_forecast_sinks(desk, clock):
    """A forecast is over once the present rate keeps below the limit, and is not raised twice in a window."""
    one = desk(budgets=[Budget(name="b", limit_usd="1", thresholds=())])
    clock.us += 4 * DAY_US
    one.spend(20 * CENT)
    one.look()
    opened = one.opened()
    clock.us += 6 * DAY_US
    one.tidy()
    closed = one.opened()
    one.spend(40 * CENT)
    one.look()

    assert ({"budget_forecast"}, set(), 1) == (opened, closed, len(one.raised()))


def test_what_still_holds_stays(desk, clock):
    """Nothing is resolved that is still so, through many pages of open alerts."""
    one = desk(budgets=[Budget(name="users", limit_usd="1", per=("user",), thresholds=(80,))])
    for number in range(120):
        one.spend(85 * CENT, user=f"u{number}")
    one.look()
    one.rules = Rules(
        budgets=[Budget(name="users", limit_usd="1", per=("user",), thresholds=(80,))],
        extras=[Extra("users", 10**12, whose="u0"), Extra("users", 10**12, whose="u119")],
    )
    clock.us += DAY_US
    for _ in range(3):
        one.tidy()

    assert 118 == len(one.control.alerts.unresolved(limit=1_000))


def test_counters_that_know_less(desk):
    """What was spent before a restart is not known at once: counters that know less do not end an alert."""
    first = desk(budgets=[SEARCH, SOFT])
    first.spend(120 * CENT, user="ann", bound=90 * CENT)
    first.look()
    second = desk(budgets=[SEARCH, SOFT])
    second.tidy()

    assert {"budget_threshold", "budget_exceeded"} == second.opened()


def test_counters_in_trouble(desk, monkeypatch):
    """Counters that are known to be away are not asked; what is gone is over all the same."""
    one = desk(budgets=[SEARCH, SOFT])
    one.spend(110 * CENT, bound=90 * CENT, user="ann")
    one.look()
    monkeypatch.setattr(one.counters, "trouble", "redis is away")
    monkeypatch.setattr(one.counters, "balances", None)
    one.rules = Rules(budgets=[SOFT])
    one.tidy()

    assert {"budget_exceeded"} == one.opened()


def test_counters_away(desk, monkeypatch):
    """While accounts cannot be read, nothing is thought to be over."""
    one = desk(budgets=[SEARCH])
    one.spend(60 * CENT, user="ann")
    one.look()

    def away(*_, **__):
        raise CountersUnavailable("redis is away")

    monkeypatch.setattr(type(one.counters), "balances", away)
    one.tidy()

    assert {"budget_threshold"} == one.opened()
