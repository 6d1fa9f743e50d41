"""All budgets as people see them."""

import pytest

from bursar.config import Budget, parse_config
from bursar.control.budgetbook import BudgetBook, Grant, budget_terms, name_of, top_up_fields
from bursar.control.rules import rules_of
from bursar.control.values import BadTerms, DeclaredInFile, NameTaken, NoSuchName
from bursar.errors import ConfigError
from bursar.money import parse_usd
from bursar.policy.period import ALWAYS
from support.control_contract import ANA, BEN

FILE = """
[[budgets]]
name = "all"
limit_usd = "100"
[[budgets]]
name = "users"
per = ["user", "team"]
limit_tokens = 1000
period = "day"
time_zone = "Asia/Kolkata"
"""


@pytest.fixture
def book(state):
    """Budgets of the file and of the control state."""
    return BudgetBook(state, parse_config(FILE, source="test"))


def test_listing(book):
    """The file's come first, in its order; each says where it comes from."""
    for name in ("z", "b"):
        book.create(Budget(name=name, limit_usd="1"), ANA)

    assert ["all", "users", "b", "z"] == [name_of(one) for one in book.every()]
    assert ["file", "file", "control", "control"] == [budget_terms(one)["source"] for one in book.every()]
    assert "ana" == budget_terms(book.get("b"))["made_by"]


def test_change(book, state):
    """What is not named stays, null takes away, and the log has both."""
    book.create(Budget(name="b", match={"team": ("x", "y")}, limit_usd="1", parent="all"), ANA)
    changed = book.change("b", {"limit_usd": "2.5", "parent": None, "mode": "soft"}, BEN)

    assert Budget(name="b", match={"team": ("x", "y")}, limit_usd="2.5", mode="soft") == changed.budget
    assert ["budget.change", "budget.create"] == [entry.action for entry in state.audit.newest(subject="b", limit=9)]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({}, "needs one limit"),
        ({"limit_usd": "1", "limit_tokens": 1}, "needs one limit"),
        ({"limit_usd": "1", "parent": "nobody"}, "has the parent 'nobody'"),
        ({"limit_usd": "1", "parent": "users"}, "counts usd and its parent 'users' counts tokens"),
        ({"limit_usd": "1", "period": "rolling"}, "window_s"),
        ({"limit_usd": "1", "time_zone": "Mars/Phobos"}, "there is no time zone"),
    ],
)
def test_senseless_budgets(book, terms, said):
    """A budget is refused when the rules that it would lead to cannot be compiled, by creation and by change."""
    with pytest.raises(BadTerms, match=said):
        book.create(Budget(name="b", **terms), ANA)
    book.create(Budget(name="c", limit_usd="1"), ANA)
    with pytest.raises(BadTerms, match=said):
        book.change("c", {"limit_usd": None, **terms}, ANA)

    assert ["all", "users", "c"] == [name_of(one) for one in book.every()]


def test_file_is_read_only(book):
    """What the file declares is changed there; its names are taken."""
    for change in (lambda: book.change("all", {"limit_usd": "1"}, ANA), lambda: book.delete("all", ANA)):
        with pytest.raises(DeclaredInFile, match=r"declared in bursar\.toml"):
            change()
    with pytest.raises(NameTaken, match=r"bursar\.toml declares a budget 'all'"):
        book.create(Budget(name="all", limit_usd="1"), ANA)


def test_names(book):
    """A name is given once at a time, never changed, and must be there."""
    book.create(Budget(name="b", limit_usd="1"), ANA)
    with pytest.raises(NameTaken, match="budgets edit"):
        book.create(Budget(name="b", limit_usd="1"), ANA)
    with pytest.raises(BadTerms, match="keeps its name"):
        book.change("b", {"name": "c"}, ANA)
    for act in (
        lambda: book.get("x"),
        lambda: book.change("x", {"mode": "soft"}, ANA),
        lambda: book.delete("x", ANA),
        lambda: book.top_up("x", Grant(usd="1"), ANA),
        lambda: book.cancel("b", 7, ANA),
    ):
        with pytest.raises(NoSuchName):
            act()


def test_envelopes_are_kept(book):
    """A budget that others are inside of cannot go, nor be disabled."""
    book.create(Budget(name="env", limit_usd="9"), ANA)
    book.create(Budget(name="b", limit_usd="1", parent="env"), ANA)
    with pytest.raises(BadTerms, match="has the parent 'env'"):
        book.delete("env", ANA)
    with pytest.raises(BadTerms, match="has the parent 'env'"):
        book.change("env", {"enabled": False}, ANA)
    book.delete("b", ANA)
    book.delete("env", ANA)

    assert ["all", "users"] == [name_of(one) for one in book.every()]


def test_top_ups(book):
    """Room is added to the present window of one account or of all, and can be taken back."""
    now_us = ANA.at_us
    everybody = book.top_up("users", Grant(tokens=50), ANA)
    ann = book.top_up("users", Grant(tokens=7, account={"team": "x", "user": "ann"}, reason="launch"), ANA)
    rules = book.rules(now_us=now_us)
    rule = rules.by_name["users"]
    window = rule.period.window(now_us)

    assert [1057, 1050] == [rules.limit_of(rule, whose, window) for whose in (("ann", "x"), ("bob", "x"))]
    assert 1000 == rules.limit_of(rule, ("ann", "x"), rule.period.window(window.end_us))
    assert (window.end_us, ["ann", "x"]) == (ann.top_up.until_us, top_up_fields(ann)["account"])
    book.cancel("users", everybody.id, BEN)
    later = book.rules(now_us=now_us)
    assert 1007 == later.limit_of(rule, ("ann", "x"), window)


def test_top_up_of_dollars(book):
    """Money is added to budgets in USD, for as long as is said."""
    book.top_up("all", Grant(usd="5.25", until="never"), ANA)
    rules = book.rules(now_us=ANA.at_us)

    assert parse_usd("105.25") == rules.limit_of(rules.by_name["all"], (), ALWAYS)


@pytest.mark.parametrize(
    ("name", "grant", "said"),
    [
        ("all", Grant(), "counts usd"),
        ("all", Grant(tokens=5), "counts usd"),
        ("all", Grant(usd="5", tokens=5), "counts usd"),
        ("all", Grant(usd="-5"), "not above 0"),
        ("all", Grant(usd="five"), "not a decimal"),
        ("all", Grant(usd="5", account={"user": "ann"}), "all share one account"),
        ("all", Grant(usd="5", until="soon"), "not a point in time"),
        ("users", Grant(usd="5"), "counts tokens"),
        ("users", Grant(tokens=0), "not a whole number above 0"),
        ("users", Grant(tokens=5, account={"user": "ann"}), "accounts by user, team"),
    ],
)
def test_senseless_top_ups(book, name, grant, said):
    """A top-up that could not count is refused, saying why."""
    with pytest.raises(BadTerms, match=said):
        book.top_up(name, grant, ANA)


def test_rules_in_force(book, state):
    """Gateways run the file's budgets and those made here, under a digest of both; one name is never in both."""
    config = parse_config(FILE, source="test")
    alone = rules_of(config, None, now_us=ANA.at_us)[1]
    without = rules_of(config, state, now_us=ANA.at_us)[1]
    book.create(Budget(name="b", limit_usd="1"), ANA)
    rules, digest = rules_of(config, state, now_us=ANA.at_us)
    book.top_up("b", Grant(usd="1"), ANA)

    assert ["all", "users", "b"] == list(rules.by_name)
    assert alone == without != digest
    assert digest == rules_of(config, state, now_us=ANA.at_us)[1]
    with pytest.raises(ConfigError, match="`bursar budgets delete b`"):
        rules_of(parse_config('[[budgets]]\nname = "b"\nlimit_usd = "1"', source="test"), state, now_us=ANA.at_us)


def test_stale_top_ups(book):
    """A top-up of a budget that is gone, or counts something else by now, adds nothing."""
    book.create(Budget(name="b", limit_usd="1"), ANA)
    book.create(Budget(name="c", limit_usd="1"), ANA)
    book.top_up("b", Grant(usd="1"), ANA)
    book.top_up("c", Grant(usd="1"), ANA)
    book.delete("c", ANA)
    book.change("b", {"limit_usd": None, "limit_tokens": 5}, ANA)
    rules = book.rules(now_us=ANA.at_us)

    assert 5 == rules.limit_of(rules.by_name["b"], (), ALWAYS)
