"""Rules, compiled."""

import pytest

from bursar.config import Budget, Limit, Run
from bursar.policy.period import ALWAYS, Window
from bursar.policy.rules import NO_RULES, Extra, Rules


def budget(name="b", **more):
    return Budget(name=name, **({"limit_usd": "1.00"} | more))


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"budgets": [budget(), budget()]}, "two budgets are named 'b'"),
        ({"budgets": [budget(limit_tokens=5)]}, "budget 'b' needs one limit"),
        ({"budgets": [budget(limit_usd=None)]}, "budget 'b' needs one limit"),
        ({"budgets": [budget(period="rolling")]}, "budget 'b': window_s"),
        ({"budgets": [budget(window_s=5.0)]}, "budget 'b': window_s"),
        ({"budgets": [budget(time_zone="Mars/Base")]}, "budget 'b': there is no time zone 'Mars/Base'"),
        ({"budgets": [budget(parent="gone")]}, "budget 'b' has the parent 'gone'"),
        ({"budgets": [budget(parent="p"), budget("p", enabled=False)]}, "which is not an enabled budget"),
        ({"budgets": [budget("a", parent="b"), budget("b", parent="a")]}, "its own parent: a → b → a"),
        ({"budgets": [budget(parent="p"), budget("p", limit_usd=None, limit_tokens=1)]}, "'b' counts usd and its par"),
        ({"limits": [Limit(name="l"), Limit(name="l")]}, "two limits are named 'l'"),
        ({"limits": [Limit(name="limit-2"), Limit()]}, "two limits are named 'limit-2'"),
    ],
)
def test_contradictions_are_named(rules, problem):
    """A rule that contradicts itself or another is named, with what is wrong."""
    with pytest.raises(ValueError, match=problem):
        Rules(**rules)


def test_matching():
    """A request meets the budgets and limits that match it, and the first run rule that does."""
    rules = Rules(
        budgets=[budget("all"), budget("search", match={"team": "search"}), budget("ads", match={"team": "ads"})],
        limits=[Limit(name="mini", match={"model": "*mini"}), Limit(name="big", match={"model": "big"})],
        runs=[Run(match={"task_type": "x"}), Run(max_steps=1), Run(max_steps=2)],
    )

    matched = rules.matching({"team": "search", "model": "gpt-mini"}, is_run=True)

    assert ["all", "search"] == [rule.name for rule in matched.budgets]
    assert ["mini"] == [rule.name for rule in matched.limits]
    assert 1 == matched.run.run.max_steps
    assert rules.matching({}, is_run=False).run is None


def test_no_rules():
    """Without rules nothing is looked up; a disabled budget is none."""
    assert NO_RULES is Rules(budgets=[budget(enabled=False)]).matching({"team": "a"}, is_run=True)
    assert not Rules(runs=[Run()]).is_empty


def test_envelopes():
    """A budget reaches the envelopes above it, whatever order they were declared in."""
    rules = Rules(budgets=[budget("c", parent="b"), budget("a"), budget("b", parent="a")])

    assert "a" == rules.by_name["c"].parent.parent.name
    assert ["c", "a", "b"] == list(rules.by_name)


@pytest.mark.parametrize(
    ("mode", "on_failure", "is_closed"),
    [("hard", None, True), ("soft", None, False), ("downgrade", None, False), ("hard", "open", False)],
)
def test_closed_by_default(mode, on_failure, is_closed):
    """Hard budgets are closed while nobody can count, and others open, unless they say otherwise."""
    rules = Rules(budgets=[budget(mode=mode, on_failure=on_failure)])

    assert is_closed == rules.by_name["b"].is_closed


def test_top_ups():
    """Room is added to one account or to all of a budget, in the windows that its time reaches into."""
    rules = Rules(
        budgets=[budget(limit_usd=None, limit_tokens=10)],
        extras=[
            Extra("b", 100, None, 7, 8),
            Extra("b", 1000, "ann", 7, 8),
            Extra("b", 1000, "ann", 5, 9),
            Extra("b", 10_000, until_us=7),
        ],
    )
    rule = rules.by_name["b"]

    found = [
        rules.limit_of(rule, whose, window)
        for whose, window in [("ann", Window(7, 8)), ("bob", Window(7, 8)), ("ann", Window(8, 9)), ("ann", ALWAYS)]
    ]
    assert [2110, 110, 1010, 12110] == found
