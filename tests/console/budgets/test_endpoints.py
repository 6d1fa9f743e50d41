"""Budgets over HTTP: how they stand, who may change them, what is answered."""

import json

import pytest

from bursar.console.openapi import openapi_document
from bursar.console.operations import PREFIX
from bursar.policy.claims import Hold
from bursar.policy.decide import budget_gate
from support.console import RunningConsole
from support.gateway import ADMIN_TOKEN
from support.ledger_records import facts, settled
from support.schema import faults

CONFIG = """
[[budgets]]
name = "all"
limit_usd = "1"
[[budgets]]
name = "users"
per = ["user"]
limit_tokens = 100
mode = "soft"
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A console with two budgets of its file and some spend in its ledger; tests make budgets of their own."""
    with RunningConsole(tmp_path_factory.mktemp("budgets"), config=CONFIG) as running:
        for call, user in enumerate(("ann", "bob", "bob")):
            running.put(settled(about=facts(call, at_us=running.now_us, tags=(("user", user),))))
        yield running


def ask(desk, method, path, body=None):
    """Ask with the admin token."""
    data = b"" if body is None else json.dumps(body).encode()
    return desk.get(PREFIX + path, method=method, body=data, token=ADMIN_TOKEN)


def reserve(desk, name, whose, amount):
    """Hold something in a budget's account, as a call in flight does."""
    gateway = desk.gateway
    rules, at_us = gateway.snapshot.rules, desk.now_us
    gate = budget_gate(rules.by_name[name], whose, rules, at_us=at_us)
    hold = Hold(f"call/{amount}", at_us, (gate.account,), (amount,))
    assert gateway.counters.reserve(hold).is_granted
    return hold


def test_list(desk):
    """Each budget stands as the counters say, its fullest account by the ledger; what calls hold is part of it."""
    hold = reserve(desk, "all", (), 7_000)
    other = reserve(desk, "users", "bob", 5)
    listed = {one["name"]: one for one in ask(desk, "GET", "/budgets").json}
    for one in (hold, other):
        desk.gateway.counters.settle(one, (0,))

    assert ("1.00", "0.00", "0.000000007", "0.999999993") == tuple(
        listed["all"][f"{name}_usd"] for name in ("limit", "spent", "held", "remaining")
    )
    assert ("user=bob", 5, 95) == tuple(
        listed["users"][name] for name in ("account", "held_tokens", "remaining_tokens")
    )
    assert listed["all"]["resets_at"].endswith("01T00:00:00.000Z")


def test_one(desk):
    """One budget comes with its accounts, the fullest first."""
    one = ask(desk, "GET", "/budgets/users").json

    assert ["user=bob", "user=ann"] == [account["account"] for account in one["accounts"]]
    assert ([], "file") == (one["top_ups"], one["source"])


def test_life(desk):
    """A budget is made, changed, topped up, and removed; each step is logged with the token as its author."""
    made = ask(desk, "POST", "/budgets", {"name": "life", "limit_usd": "5", "match": {"team": ["x", "y*"]}})
    changed = ask(desk, "PATCH", "/budgets/life", {"limit_usd": None, "limit_tokens": 9, "enabled": False})
    topped = ask(desk, "POST", "/budgets/life/topup", {"tokens": 5, "until": "never"})
    cancelled = ask(desk, "DELETE", f"/budgets/life/topup/{topped.json['id']}")
    shown = ask(desk, "GET", "/budgets/life").json
    deleted = ask(desk, "DELETE", "/budgets/life")
    log = ask(desk, "GET", "/audit-log?subject=life").json

    assert [201, 200, 201, 200, 200, 404] == [
        *(one.status for one in (made, changed, topped, cancelled, deleted)),
        ask(desk, "GET", "/budgets/life").status,
    ]
    assert (None, 9, False) == tuple(changed.json[name] for name in ("limit_usd", "limit_tokens", "enabled"))
    assert shown["top_ups"][0]["cancelled_at"] is not None
    assert [("admin token", action) for action in ("delete", "top_up.cancel", "top_up", "change", "create")] == [
        (entry["actor"], entry["action"].removeprefix("budget.")) for entry in log
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/budgets", {"name": "b"}, 400),
        ("POST", "/budgets", {"name": "b", "limit": "1"}, 400),
        ("POST", "/budgets", {"name": "all", "limit_usd": "1"}, 409),
        ("PATCH", "/budgets/all", {"limit_usd": "2"}, 409),
        ("DELETE", "/budgets/all", None, 409),
        ("PATCH", "/budgets/nobody", {}, 404),
        ("POST", "/budgets/all/topup", {"tokens": 5}, 400),
        ("DELETE", "/budgets/all/topup/99", None, 404),
        ("DELETE", "/budgets/all/topup/x", None, 404),
    ],
)
def test_refusals(desk, method, path, body, status):
    """What makes no sense, is declared in the file, or is not there is told apart."""
    got = ask(desk, method, path, body)

    assert status == got.status, got.text
    assert got.json["error"]["message"]


def test_answers_have_the_described_shape(desk):
    """Answers fit their schemas, field for field."""
    schemas = openapi_document()["components"]["schemas"]
    made = ask(desk, "POST", "/budgets", {"name": "shape", "limit_usd": "5", "per": ["user"]}).json
    topped = ask(desk, "POST", "/budgets/shape/topup", {"usd": "5", "account": {"user": "ann"}}).json
    for value, name in (
        (ask(desk, "GET", "/budgets").json, "Budgets"),
        (ask(desk, "GET", "/budgets/users").json, "BudgetWhole"),
        (ask(desk, "GET", "/budgets/shape").json, "BudgetWhole"),
        (made, "BudgetMade"),
        (topped, "TopUp"),
    ):
        assert [] == faults(value, schemas[name], schemas), name
    ask(desk, "DELETE", "/budgets/shape")
