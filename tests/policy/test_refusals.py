"""Why a request was refused, in words."""

import pytest

from bursar.config import Budget, Limit, Run
from bursar.policy.claims import Standing, Verdict
from bursar.policy.decide import Ask, decide
from bursar.policy.refusals import prefers_cheaper, refusal, remarks, unavailable
from bursar.policy.rules import Rules
from bursar.policy.runs import Task

S = 1_000_000
AT = 1_795_000_000 * S
CENT = 10**10
TASK = Task(id="t", scope="o/s", type="", budget=None, depth=0, fingerprint="f")


def decision_of(*, bound=20 * CENT, task=None, **rules):
    compiled = Rules(**rules)
    facts = {"user": "ann"}
    asked = Ask(at_us=AT, facts=facts, bound=bound, tokens=70, likely_tokens=50, task=task)
    return decide(compiled.matching(facts, is_run=task is not None), asked, compiled)


def standing(spent=0, held=0, *, limit=None, free_us=None, opened_us=AT):
    return Standing(spent=spent, held=held, limit=limit, opened_us=opened_us, free_us=free_us)


def refused(decision, *standings, short=(0,)):
    return refusal(decision, Verdict(short=tuple(short), standings=standings), at_us=AT)


def test_budget():
    """The message names the budget, whose it is, its limit, what is spent and reserved, the reset and the way out."""
    decision = decision_of(budgets=[Budget(name="search", limit_usd="1", per=("user",))])

    refusal_ = refused(decision, standing(50 * CENT, 31 * CENT, limit=100 * CENT))

    assert (402, "budget_exceeded", None) == (refusal_.status, refusal_.code, refusal_.retry_after_s)
    assert (
        "Budget 'search' (user=ann) has no room: limit $1.00, spent $0.50, reserved $0.31, and this request may take "
        "up to $0.20. It resets at 2026-12-01T00:00:00.000Z. Lower max_tokens, or ask for a top-up "
        "(bursar budgets topup search)."
    ) == refusal_.message


def test_budget_in_tokens():
    """A budget in tokens speaks of tokens."""
    decision = decision_of(budgets=[Budget(name="b", limit_tokens=1000, period="total")])

    message = refused(decision, standing(950, limit=1000)).message

    assert "limit 1,000 tokens, spent 950 tokens, reserved 0 tokens" in message
    assert "It never resets." in message


@pytest.mark.parametrize(
    ("free_us", "when"),
    [(AT + 90 * S, "has room again at 2026-11-18T11:08:10.000Z"), (None, "has room when what is in flight ends")],
)
def test_rolling_budget(free_us, when):
    """A rolling budget says when there is room again, as far as that can be foreseen."""
    decision = decision_of(budgets=[Budget(name="b", limit_usd="1", period="rolling", window_s=3600.0)])

    assert when in refused(decision, standing(100 * CENT, limit=100 * CENT, free_us=free_us)).message


@pytest.mark.parametrize(
    ("wait_us", "retry_after_s"), [(30 * S, 30), (30 * S + 1, 31), (0, 1), (None, 1), (9 * 3600 * S, 3600)]
)
def test_rate_limit(wait_us, retry_after_s):
    """A limit by the minute says when to come back: whole seconds, up to an hour, never at once."""
    free_us = None if wait_us is None else AT + wait_us
    refusal_ = refused(decision_of(limits=[Limit(requests_per_minute=5)]), standing(5, limit=5, free_us=free_us))

    assert (429, "rate_limited", retry_after_s) == (refusal_.status, refusal_.code, refusal_.retry_after_s)
    assert "Limit 'limit-1' allows 5 requests a minute and 5 requests were used in the last one" in refusal_.message


def test_several_rate_limits():
    """The longest wait counts, and every rule without room is named."""
    decision = decision_of(limits=[Limit(requests_per_minute=5), Limit(name="slow", tokens_per_minute=5)])

    refusal_ = refused(
        decision, standing(5, limit=5, free_us=AT + 3 * S), standing(5, limit=5, free_us=AT + 40 * S), short=(0, 1)
    )

    assert 40 == refusal_.retry_after_s
    assert refusal_.message.endswith("No room either in 'slow'.")


def test_concurrency():
    """A limit of requests in flight is worth another try in a second."""
    refusal_ = refused(decision_of(limits=[Limit(concurrency=2)]), standing(0, 2, limit=2))

    assert ("concurrency_limited", 1) == (refusal_.code, refusal_.retry_after_s)
    assert "allows 2 requests at once and 2 are in flight" in refusal_.message


def test_budget_before_limit():
    """Where a budget and a limit have no room, waiting would not help, so it is the budget's refusal."""
    decision = decision_of(limits=[Limit(requests_per_minute=5)], budgets=[Budget(name="b", limit_usd="1")])

    refusal_ = refused(decision, standing(5, limit=5, free_us=AT + S), standing(limit=100 * CENT), short=(0, 1))

    assert ("budget_exceeded", None) == (refusal_.code, refusal_.retry_after_s)


@pytest.mark.parametrize(
    ("run", "found", "code", "words"),
    [
        (
            {"budget_usd": "1"},
            standing(90 * CENT, limit=100 * CENT),
            "task_budget_exceeded",
            "limit $1.00, spent $0.90",
        ),
        ({"max_steps": 4}, standing(4, limit=4), "run_limit", "4 requests, at most 4 requests"),
        ({"max_wall_s": 60.0}, standing(4, opened_us=AT - 61 * S), "run_limit", "it began 61 s ago, at most 60 s"),
        ({"max_repeats": 2}, standing(6, limit=6), "run_limit", "the same request came 6 times, a loop"),
        ({"velocity_factor": 2.0}, standing(3 * 10**12), "run_limit", "it spent $3.00 in five minutes"),
    ],
)
def test_runs(run, found, code, words):
    """A run that is stopped is told why."""
    refusal_ = refused(decision_of(task=TASK, runs=[Run(**run)], velocities={"": 1}), found)

    assert code == refusal_.code
    assert refusal_.message.startswith("Run 't' ")
    assert words in refusal_.message


def test_unavailable():
    """A closed gate that cannot be checked says so, and how to open it."""
    gate = decision_of(budgets=[Budget(name="b", limit_usd="1")]).gates[0]

    refusal_ = unavailable(gate, "redis is away")

    assert (503, "budget_unavailable", 1) == (refusal_.status, refusal_.code, refusal_.retry_after_s)
    assert "Budget 'b' cannot be checked at the moment (redis is away)" in refusal_.message


@pytest.mark.parametrize(("used", "said"), [(100 * CENT, ()), (100 * CENT + 1, ("Budget 'b' is exceeded",))])
@pytest.mark.parametrize("mode", ["soft", "downgrade"])
def test_budgets_that_only_watch(mode, used, said):
    """A soft budget is remarked on above its limit; one that downgrades asks for cheaper models."""
    decision = decision_of(budgets=[Budget(name="b", limit_usd="1", mode=mode)])

    notes = remarks(decision, Verdict(used=(used,), limits=(None,)))

    assert tuple(f"{mode}: {one}" for one in said) == notes
    assert bool(said and mode == "downgrade") == prefers_cheaper(notes)


@pytest.mark.parametrize(
    ("used", "stage"), [(1, None), (2, None), (3, "warn"), (4, "warn"), (5, "downgrade"), (6, "downgrade"), (7, "stop")]
)
def test_stages(used, stage):
    """Each multiple of a loop's limit that is exceeded leads to the next stage."""
    decision = decision_of(task=TASK, runs=[Run(max_repeats=2)])

    notes = remarks(decision, Verdict(used=(used,), limits=(6,)))

    assert (() if stage is None else (f"{stage}: Run 't' is at {used} requests",)) == notes


def test_nothing_to_remark_on():
    """A hard budget that has room is not worth a word."""
    assert () == remarks(decision_of(budgets=[Budget(name="b", limit_usd="1")]), Verdict(used=(5,), limits=(9,)))
