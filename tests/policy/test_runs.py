"""Agent runs."""

import pytest

from bursar.config import Run
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.money import parse_usd
from bursar.policy.rules import Rules
from bursar.policy.runs import Task, run_claims, scope_of


def task(**more):
    terms = {"id": "t", "scope": "o/s", "type": "review", "budget": None, "depth": 0, "fingerprint": "f"}
    return Task(**(terms | more))


def claims(asked=None, /, *, bound=1000, velocities=None, **run):
    rule = Rules(runs=[Run(**run)]).matching({}, is_run=True).run if run else None
    return run_claims(rule, asked or task(), bound, velocities=velocities or {})


def only(claimed):
    ((gate, amount),) = claimed.items()
    return gate, amount


def test_a_run_without_limits():
    """Nothing is claimed of a run that has no ceiling and no rule."""
    assert {} == claims()


def test_stated_ceiling():
    """The ceiling of the first request is the run's, whatever later ones state."""
    gate, amount = only(claims(task(budget=5000)))

    assert (1000, 5000, True) == (amount, gate.account.limit, gate.account.keeps_limit)
    assert gate.is_closed


def test_ceiling_of_the_rule():
    """A rule's ceiling stands where a request states none."""
    assert parse_usd("2") == only(claims(budget_usd="2"))[0].account.limit
    assert 7 == only(claims(task(budget=7), budget_usd="2"))[0].account.limit


@pytest.mark.parametrize(
    ("asked", "bound", "run", "code"),
    [
        ({"budget": parse_usd("3")}, 1, {"max_budget_usd": "2"}, "run_limit"),
        ({"budget": 5}, None, {}, "unpriced_model"),
        ({"depth": 4}, 1, {"max_depth": 3}, "run_limit"),
    ],
)
def test_refused_at_once(asked, bound, run, code):
    """A ceiling above the highest, a run in USD whose request has no bound, and nesting too deep are refused."""
    with pytest.raises(Refusal, match="Run 't'") as refused:
        claims(task(**asked), bound=bound, **run)

    assert code == refused.value.code


def test_allowed_at_the_edge():
    """The highest ceiling and the deepest nesting themselves are allowed."""
    assert claims(task(budget=parse_usd("2"), depth=3), max_budget_usd="2", max_depth=3)


def test_steps_and_time():
    """Steps and wall time are counted in one account."""
    gate, amount = only(claims(max_steps=4, max_wall_s=1.5))

    assert (1, 4, 1_500_000) == (amount, gate.account.limit, gate.account.max_age_us)
    assert gate.account == only(claims(task(fingerprint="g"), max_steps=4, max_wall_s=1.5))[0].account


def test_repeats_are_of_the_same_request():
    """Each content has an account of its own, for an hour."""
    names = {only(claims(task(fingerprint=one), max_repeats=2))[0].account.name for one in "ab"}

    assert 2 == len(names)
    assert 3600 * 10**6 == only(claims(max_repeats=2))[0].account.idle_us


@pytest.mark.parametrize(
    ("stages", "limit"), [(("warn", "downgrade", "stop"), 6), (("stop",), 2), (("warn", "stop"), 4), (("warn",), None)]
)
def test_stages(stages, limit):
    """What stops is the multiple of the limit that leads to the stage `stop`; without it nothing does."""
    gate, _ = only(claims(max_repeats=2, stages=stages))

    assert (limit, 2) == (gate.account.limit, gate.limit)


@pytest.mark.parametrize(("usual", "limit"), [("0.10", "0.50"), ("1", "3")])
def test_velocity(usual, limit):
    """A run is too fast above so many times what is usual for its type, and never below the floor."""
    velocities = {"review": parse_usd(usual)}
    gate, amount = only(claims(velocity_factor=3.0, velocity_floor_usd="0.50", velocities=velocities))

    assert (1, parse_usd(limit)) == (amount, gate.limit)


def test_velocity_without_history():
    """Nobody can say that a run is faster than its type used to be while nothing is known of that type."""
    assert {} == claims(velocity_factor=3.0, velocities={"other": 1})


def test_runs_of_others():
    """The same id is another run for another team, organisation or key without a team."""
    principals = [
        Principal(organisation="o", team="a", key="k1"),
        Principal(organisation="o", team="b", key="k1"),
        Principal(organisation="p", team="a", key="k1"),
        Principal(organisation="o", key="k1"),
        Principal(organisation="o", key="k2"),
    ]

    assert 5 == len(set(map(scope_of, principals)))
    assert scope_of(principals[0]) == scope_of(Principal(organisation="o", team="a", key="k9"))
