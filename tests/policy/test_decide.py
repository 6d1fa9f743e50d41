"""The decision about a request."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.config import Budget, Limit, Run
from bursar.errors import Refusal
from bursar.money import parse_usd
from bursar.policy.decide import NOTHING_TO_HOLD, Ask, budget_account, decide, whose_in, whose_of
from bursar.policy.rules import Extra, Rules
from bursar.policy.runs import Task

S = 1_000_000
AT = 1_795_000_000 * S
FACTS = {"team": "search", "user": "ann", "key": "k"}


def ask(**more):
    return Ask(**({"at_us": AT, "facts": FACTS, "bound": 1000, "tokens": 70, "likely_tokens": 50} | more))


def decided(asked=None, /, **rules):
    asked = asked or ask()
    compiled = Rules(**rules)
    return decide(compiled.matching(asked.facts, is_run=asked.task is not None), asked, compiled)


def held(decision):
    """Amount by account name, without the prints that tell what budgets count."""
    names = [unprinted(gate.account.name) for gate in decision.gates]
    return dict(zip(names, decision.amounts, strict=True))


def unprinted(name):
    """An account's name without its print."""
    return re.sub("~[0-9a-f]+", "", name)


def test_nothing_configured():
    """Without a matching rule nothing is held."""
    assert NOTHING_TO_HOLD is decided()
    assert NOTHING_TO_HOLD is decided(budgets=[Budget(name="b", match={"team": "x"}, limit_usd="1")])


def test_budgets_hold_the_bound():
    """A budget in USD holds the most a request may cost, one in tokens the most tokens, a soft one the same."""
    decision = decided(
        budgets=[
            Budget(name="usd", limit_usd="1"),
            Budget(name="soft", limit_usd="1", mode="soft"),
            Budget(name="tokens", limit_tokens=100),
        ]
    )

    assert {"budget/usd#usd": 1000, "budget/soft#usd": 1000, "budget/tokens#tokens": 70} == held(decision)
    assert [parse_usd("1"), None, 100] == [gate.account.limit for gate in decision.gates]


def test_each_value_has_its_account():
    """A budget per user is each user's; requests without one share an account; values cannot be confused."""
    budgets = [Budget(name="b", limit_usd="1", per=("user", "team"))]

    def account(**facts):
        return unprinted(decided(ask(facts=facts), budgets=budgets).accounts[0].name)

    assert "budget/b#usd|user=ann|team=search" == account(**FACTS)
    assert account() == account(user="")
    assert 4 == len({account(user=one) for one in ("a", "a|team=", "a%7Cteam=", "")})


def test_children_share_an_envelope():
    """Budgets with the same envelope hold it once, whatever it matches itself."""
    decision = decided(
        budgets=[
            Budget(name="env", match={"team": "nobody"}, limit_usd="9"),
            Budget(name="a", limit_usd="1", parent="env"),
            Budget(name="b", limit_usd="1", parent="env"),
        ]
    )

    assert {"budget/a#usd", "budget/env#usd", "budget/b#usd"} == set(held(decision))


def test_changed_budget_counts_anew():
    """Another measure or rolling window is another account: amounts of one are no amounts of the other."""
    names = {
        decided(budgets=[Budget(name="b", **terms)]).accounts[0].name
        for terms in (
            {"limit_usd": "1"},
            {"limit_tokens": 1},
            {"limit_usd": "1", "period": "rolling", "window_s": 60.0},
            {"limit_usd": "1", "period": "rolling", "window_s": 90.0},
        )
    }

    assert 4 == len(names)


def test_next_window():
    """A day's account is another one the next day, with the limit that day has."""
    rules = Rules(
        budgets=[Budget(name="b", limit_usd="1", period="day")],
        extras=[Extra("b", parse_usd("5"), until_us=AT + 1)],
    )

    def account(at_us):
        return decide(rules.matching(FACTS, is_run=False), ask(at_us=at_us), rules).accounts[0]

    today, tomorrow, again = account(AT), account(AT + 86_400 * S), account(AT)
    assert (parse_usd("6"), parse_usd("1")) == (today.limit, tomorrow.limit)
    assert 86_400 * S == tomorrow.window - today.window
    assert today == again


def test_hard_budget_needs_a_bound():
    """What may cost anything is refused by a hard budget, naming it and the reason."""
    with pytest.raises(Refusal, match=r"Budget 'b' is hard.*no price") as refused:
        decided(ask(bound=None, unbounded="no price"), budgets=[Budget(name="b", limit_usd="1")])

    assert "unpriced_model" == refused.value.code


def test_admitted_without_a_bound():
    """A budget that allows it holds nothing and says so; a soft one is silent; tokens are known all the same."""
    decision = decided(
        ask(bound=None, unbounded="no price"),
        budgets=[
            Budget(name="b", limit_usd="1", unpriced="allow"),
            Budget(name="s", limit_usd="1", mode="soft"),
            Budget(name="t", limit_tokens=1),
        ],
    )

    assert (0, 0, 70) == decision.amounts
    assert ("admitted without a hold in budget 'b': no price",) == decision.notes


def test_limits():
    """A limit holds one request, the likely tokens, and one place, each in an account of its own."""
    limit = Limit(name="l", per=("key",), requests_per_minute=5, tokens_per_minute=60, concurrency=2)

    decision = decided(limits=[limit])

    stem = "limit/l|key=k"
    assert {f"{stem}#requests": 1, f"{stem}#tokens": 50, f"{stem}#concurrency": 1} == held(decision)
    assert [60 * S, 60 * S, 0] == [account.span_us for account in decision.accounts]


def test_more_than_a_minutes_tokens():
    """A request larger than a minute's worth claims the whole minute, so that it can pass at all."""
    assert (30,) == decided(limits=[Limit(tokens_per_minute=30)]).amounts


@pytest.mark.parametrize(("bound", "code"), [(2 * 10**12 + 1, "cost_ceiling"), (None, "unpriced_model")])
def test_above_the_cost_ceiling(bound, code):
    """What may cost more than one request may is refused; what nobody can bound is above every ceiling."""
    with pytest.raises(Refusal) as refused:
        decided(ask(bound=bound), limits=[Limit(max_cost_per_request_usd="2")])

    assert code == refused.value.code


def test_at_the_cost_ceiling():
    """A request may cost the ceiling at worst."""
    assert NOTHING_TO_HOLD is decided(ask(bound=2 * 10**12), limits=[Limit(max_cost_per_request_usd="2")])


def test_runs_take_part():
    """An agent run's accounts are held with the others."""
    task = Task(id="t", scope="o/s", type="", budget=5000, depth=0, fingerprint="f")

    decision = decided(ask(task=task), budgets=[Budget(name="b", limit_usd="1")], runs=[Run(max_steps=3)])

    assert {"run/o/s/t#usd": 1000, "run/o/s/t#steps": 1, "budget/b#usd": 1000} == held(decision)


NAMES = st.sampled_from(["team", "user", "key"])
MATCHES = st.dictionaries(NAMES, st.sampled_from(["search", "ann", "k", "x"]), max_size=2)


@given(st.lists(st.tuples(MATCHES, st.lists(NAMES, max_size=2, unique=True))), st.integers(0, 10**9))
def test_decisions_are_repeatable(shapes, bound):
    """The same facts and rules decide the same, whatever was asked in between; no account is claimed twice."""
    budgets = [
        Budget(name=f"b{number}", match=match, per=tuple(per), limit_usd="1", period=("day", "total")[number % 2])
        for number, (match, per) in enumerate(shapes)
    ]
    rules = Rules(budgets=budgets)

    def decision(**facts):
        asked = ask(facts=facts, bound=bound)
        return decide(rules.matching(facts, is_run=False), asked, rules)

    first = decision(**FACTS)
    decision(team="search", user="bob", key="k")
    assert (first.accounts, first.amounts) == (decision(**FACTS).accounts, decision(**FACTS).amounts)
    assert len(first.gates) == len({(one.name, one.window) for one in first.accounts})
    assert (bound,) * len(first.gates) == first.amounts


def test_memory_of_gates_is_bounded():
    """However many values a dimension has, only so many gates are remembered."""
    rules = Rules(limits=[Limit(name="l", per=("user",), concurrency=1)])
    for number in range(20_000):
        facts = {"user": str(number)}
        decide(rules.matching(facts, is_run=False), ask(facts=facts), rules)

    assert 16_384 >= sum(map(len, rules._gates.values()))


@given(
    st.lists(st.sampled_from(["user", "team", "key"]), unique=True, max_size=3),
    st.tuples(*[st.text(alphabet="a|%=7C25 ", max_size=6)] * 3),
)
def test_whose_account(per, values):
    """Whose account it is can be read off its name, whatever the values hold; another budget's is nobody's."""
    budgets = [Budget(name="b", limit_usd="1", per=tuple(per)), Budget(name="c", limit_usd="2", per=("project",))]
    rules = Rules(budgets=budgets).by_name
    whose = whose_of(tuple(per), dict(zip(["user", "team", "key"], values, strict=True)))
    account = budget_account(rules["b"], whose)

    assert whose == whose_in(rules["b"], account)
    assert None is whose_in(rules["c"], account)


def test_newer_histories():
    """Rules beside newer histories of runs are the same rules; the older ones keep what they knew."""
    older = Rules(budgets=[Budget(name="b", limit_usd="1")], velocities={"review": 1})
    newer = older.with_velocities({"review": 2})

    assert ({"review": 1}, {"review": 2}) == (older.velocities, newer.velocities)
    assert older.matching(FACTS, is_run=False) == newer.matching(FACTS, is_run=False)
