"""What is said about budgets' accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.config import Budget
from bursar.counters.protocol import Balance
from bursar.money import parse_usd
from bursar.notify.budgets import BudgetState, budget_findings, refusing
from bursar.policy.claims import Account
from bursar.policy.rules import Rules
from support.ledger_records import DAY_US, HOUR_US, START_US

CENT = 10**10


def state(spent=0, *, held=0, extra=0, at_us=START_US, whose="", **budget) -> BudgetState:
    """One account of a budget of a dollar, as it stands."""
    limits = {} if "limit_tokens" in budget else {"limit_usd": "1"}
    rule = Rules(budgets=[Budget(**{"name": "search", **limits, **budget})]).by_name["search"]
    window = rule.period.window(at_us)
    account = Account(name=rule.stem + whose, window=window.start_us, span_us=rule.span_us)
    return BudgetState(rule, account, rule.limit + extra, Balance(spent, held), at_us)


def kinds(one: BudgetState) -> list[str]:
    """The kinds of what is said, with the percentage where there is one."""
    found = [each.alert for each in budget_findings(one)]
    return [f"{each.kind} {each.data['percent']}" if "percent" in each.data else each.kind for each in found]


def only(one: BudgetState, kind: str):
    """What is said of a kind, if it is one thing."""
    (found,) = [each for each in budget_findings(one) if each.kind == kind]
    return found


@pytest.mark.parametrize(
    ("spent", "reached"),
    [
        (0, []),
        (50 * CENT - 1, []),
        (50 * CENT, [50]),
        (80 * CENT - 1, [50]),
        (80 * CENT, [50, 80]),
        (100 * CENT - 1, [50, 80]),
        (100 * CENT, [50, 80, 100]),
        (170 * CENT, [50, 80, 100]),
    ],
)
def test_thresholds(spent, reached):
    """A threshold is reached when so much of the limit is spent, to the picodollar; what is held does not count."""
    assert [f"budget_threshold {percent}" for percent in reached] == kinds(state(spent, held=100 * CENT))


def test_nothing_spent():
    """A budget of nothing is not full while nothing is spent."""
    assert ([], ["budget_threshold 50"]) == tuple(
        kinds(state(spent, limit_usd="0", thresholds=(50,))) for spent in (0, 1)
    )


def test_message():
    """An alert says whose budget it is, what is spent of what, and when it resets, and has it as data."""
    found = only(state(84 * CENT, whose="|user=ann", per=("user",), thresholds=(80,)), "budget_threshold")

    assert (
        "Budget 'search' (user=ann) has used 80 % of its limit: spent $0.84 of $1.00. "
        "It resets at 2026-12-01T00:00:00.000Z."
    ) == found.alert.message
    assert ("search", "user=ann", "1.00", "0.84", 80) == tuple(
        found.alert.data[name] for name in ("budget", "whose", "limit_usd", "spent_usd", "percent")
    )
    assert START_US + 30 * DAY_US == found.alert.ends_us


def test_severity():
    """Alerts get more severe the fuller a budget is."""
    severities = [each.alert.severity for each in budget_findings(state(100 * CENT, thresholds=(20, 79, 80, 99, 100)))]

    assert ["info", "info", "warning", "warning", "critical"] == severities


def test_tokens():
    """A budget in tokens speaks of tokens."""
    found = only(state(60, limit_tokens=100, thresholds=(50,)), "budget_threshold")

    assert "spent 60 tokens of 100 tokens" in found.alert.message
    assert (100, 60) == (found.alert.data["limit_tokens"], found.alert.data["spent_tokens"])


@pytest.mark.parametrize(("mode", "effect"), [("soft", "nothing is refused"), ("downgrade", "cheaper models are")])
def test_exceeded(mode, effect):
    """A budget that refuses nothing is exceeded once more is spent than its limit."""
    over = state(100 * CENT + 1, mode=mode, thresholds=())

    assert [] == kinds(state(100 * CENT, mode=mode, thresholds=()))
    assert ["budget_exceeded"] == kinds(over)
    assert effect in only(over, "budget_exceeded").alert.message
    assert [] == kinds(state(100 * CENT + 1, thresholds=()))


def test_refusing():
    """What refuses says what is spent and reserved."""
    found = refusing(state(90 * CENT, held=9 * CENT))

    assert "has no room and refuses requests: spent $0.90 of $1.00, reserved $0.09." in found.alert.message
    assert "critical" == found.alert.severity


@pytest.mark.parametrize(
    ("days", "spent", "is_due"),
    [
        (2.9, 99 * CENT, False),  # less than a tenth of the month
        (3.0, 10 * CENT, False),  # exactly the limit at its end
        (3.0, 10 * CENT + 1, True),
        (15.0, 50 * CENT, False),
        (15.0, 50 * CENT + 1, True),
        (29.9, 100 * CENT, True),
        (29.9, 100 * CENT + 1, False),  # the limit is passed already
    ],
)
def test_forecast(days, spent, is_due):
    """The forecast is what was spent, stretched to the window's length, once a tenth of it has passed."""
    due = kinds(state(spent, at_us=START_US + int(days * DAY_US), thresholds=()))

    assert (["budget_forecast"] if is_due else []) == due


@pytest.mark.parametrize(
    ("period", "hours", "is_due"),
    [("day", 2.9, False), ("day", 3.0, True), ("hour", 0.9, False), ("total", 99.0, False)],
)
def test_forecast_needs_hours(period, hours, is_due):
    """Less than three hours foretell nothing, and what never ends comes to nothing."""
    due = kinds(state(90 * CENT, at_us=START_US + int(hours * HOUR_US), period=period, thresholds=()))

    assert (["budget_forecast"] if is_due else []) == due


def test_forecast_is_rounded():
    """Nobody believes more than three figures of a forecast."""
    found = only(state(parse_usd("0.543217"), at_us=START_US + 11 * DAY_US, thresholds=()), "budget_forecast")

    assert "will come to about $1.48 at its present rate: spent $0.543217 of $1.00 so far." in found.alert.message
    assert "1.48" == found.alert.data["forecast_usd"]


@pytest.mark.parametrize(("span_s", "length_us"), [(60.0, HOUR_US), (7200.0, 2 * HOUR_US)])
def test_rolling(span_s, length_us):
    """A rolling budget says a thing once in a stretch of its own length, of at least an hour."""
    rolling = {"period": "rolling", "window_s": span_s, "thresholds": (50,)}
    start_us = START_US - START_US % length_us
    keys = [
        only(state(60 * CENT, at_us=start_us + at_us, **rolling), "budget_threshold").key
        for at_us in (0, length_us - 1, length_us)
    ]

    assert keys[0] == keys[1] != keys[2]


def test_raised_limit_starts_anew():
    """With more room, the same threshold is another alert."""
    keys = {only(state(90 * CENT, extra=extra, thresholds=(80,)), "budget_threshold").key for extra in (0, CENT)}

    assert 2 == len(keys)


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**15),
    st.lists(st.integers(1, 1000), max_size=6, unique=True).map(tuple),
)
def test_thresholds_reached(spent, limit, thresholds):
    """Exactly those thresholds are said to be reached whose share of the limit is spent; nothing is, by nothing."""
    about = state(spent, limit_usd="0", extra=limit, thresholds=thresholds)
    reached = [found.alert.data["percent"] for found in budget_findings(about) if found.kind == "budget_threshold"]

    assert [percent for percent in thresholds if spent and spent >= -(-percent * limit // 100)] == reached
