"""`bursar budgets`: every command, on a data folder without a gateway."""

from contextlib import closing

import pytest

from bursar.config import Budget, load_config
from bursar.control.budgetbook import BudgetBook, Grant
from bursar.control.open import open_control
from bursar.control.values import Author
from support.ledger_records import HOUR_US, facts, settled, unpriced

FILE = '[[budgets]]\nname = "company"\nlimit_usd = "500"\n'


@pytest.fixture
def filled(bursar):
    """Budgets of every kind and some spend."""
    bursar.configure(FILE)
    bursar.clock.us += HOUR_US
    author = Author("ana", bursar.clock.us)
    with closing(open_control(bursar.data_dir, bursar.clock)) as control:
        book = BudgetBook(control, load_config(bursar.config))
        book.create(Budget(name="search", match={"team": "search"}, limit_usd="0.000000005", parent="company"), author)
        book.create(Budget(name="users", per=("user",), limit_tokens=100, period="day", mode="soft"), author)
        book.top_up("users", Grant(tokens=50, account={"user": "ann"}, reason="launch"), author)
    at_us = bursar.clock.us - 1000
    bursar.record(
        [
            settled(about=facts(1, at_us=at_us, tags=(("user", "ann"),))),
            settled(about=facts(2, at_us=at_us, tags=(("user", "bob"),)), usage=((0, 90),)),
            unpriced(about=facts(3, at_us=at_us, bound=3000, tags=(("user", "bob"),))),
        ]
    )
    return bursar


def test_list(filled):
    """All budgets with what is left of them; of several accounts the fullest; an unknown cost counts as its bound."""
    filled.golden("budgets_list", filled("budgets", "list").out)


def test_show(filled):
    """One budget's terms, accounts and top-ups."""
    filled.golden("budgets_show", filled("budgets", "show", "users").out)


def test_formats(filled):
    """JSON lists are flat, one object is whole, CSV has every field."""
    listed = {row["name"]: row for row in filled("budgets", "list", "--format", "json").json()}
    shown = filled("budgets", "show", "users", "--format", "json").json()
    rows = filled("budgets", "list", "--format", "csv").csv()

    assert ("500.00", "0.000000005", "499.999999995") == tuple(
        listed["company"][name] for name in ("limit_usd", "spent_usd", "remaining_usd")
    )
    assert {"user=ann": 150, "user=bob": 100} == {one["account"]: one["limit_tokens"] for one in shown["accounts"]}
    assert ["ann"] == shown["top_ups"][0]["account"]
    assert ["company", "search", "users"] == [row["name"] for row in rows]
    assert "team=search" == rows[1]["match"]


def test_life(bursar):
    """A budget is made, changed, topped up and removed; each command says what it did."""
    made = bursar("budgets", "create", "b", "--match", "team=x", "--match", "team=y", "--usd", "5", "--window", "90m",
                  "--period", "rolling", "--threshold", "90")  # fmt: skip
    edited = bursar("budgets", "edit", "b", "--tokens", "7", "--period", "week", "--disable")
    shown = bursar("budgets", "show", "b", "--format", "json").json()
    topped = bursar("budgets", "topup", "b", "--tokens", "3", "--until", "never")
    cancelled = bursar("budgets", "topup", "b", "--cancel", "1")
    deleted = bursar("budgets", "delete", "b")

    assert [0] * 5 == [one.code for one in (made, edited, topped, cancelled, deleted)], (made.err, edited.err)
    assert ({"team": ["x", "y"]}, 7, "week", False, [90]) == tuple(
        shown[name] for name in ("match", "limit_tokens", "period", "enabled", "thresholds")
    )
    assert (None, None) == (shown["limit_usd"], shown["window_s"])
    assert "3 tokens were added to the budget 'b' for good (top-up 1)." in topped.err
    assert [] == bursar("budgets", "list", "--format", "json").json()
    assert "nothing limits what is spent" in bursar("budgets", "list").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "b"), "needs one limit"),
        (("create", "b", "--usd", "-1"), "b: "),
        (("create", "b", "--usd", "1", "--match", "team"), "DIM=VALUE"),
        (("create", "b", "--usd", "1", "--window", "long"), "--window"),
        (("create", "company", "--usd", "1"), "bursar.toml declares"),
        (("edit", "company", "--usd", "1"), "declared in bursar.toml"),
        (("edit", "search"), "nothing to change"),
        (("delete", "company"), "declared in bursar.toml"),
        (("show", "nothing"), "there is no budget 'nothing'"),
        (("topup", "company"), "counts usd"),
        (("topup", "company", "--cancel", "9"), "has no top-up 9"),
    ],
)
def test_refusals(filled, arguments, said):
    """What makes no sense is refused with exit code 2 and the reason."""
    result = filled("budgets", *arguments)

    assert (2, True) == (result.code, said in result.err), result.err
