"""`POST /api/v1/check`: who may look, as whom, and that the answer has its described shape."""

import json

import pytest

from bursar.config import KeyGrant
from bursar.console.openapi import openapi_document
from bursar.control.values import Author, NewSecret
from support.console import CONFIG, RunningConsole
from support.gateway import ADMIN_TOKEN
from support.schema import faults

KEYS = """
[[keys]]
name = "ops"
key = "env:OPS"
team = "ops"
[[keys]]
name = "old"
key = "env:OLD"
expires_at = "2020-01-01"
[[budgets]]
name = "ops"
match = { team = "ops" }
limit_usd = "0.00001"
"""

BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A console with keys and a budget that nothing fits into."""
    with RunningConsole(
        tmp_path_factory.mktemp("checks"),
        config=CONFIG + KEYS,
        environ={"OPS": "vk-ops", "OLD": "vk-old"},
        has_ledger=False,
    ) as running:
        running.control.keys.create(
            KeyGrant(name="made", team="x"), NewSecret(digest=b"m" * 32, last4="1234"), Author("ana", 1)
        )
        yield running


def check(desk, body, *, token):
    return desk.get("/api/v1/check", method="POST", body=json.dumps(body).encode(), token=token)


@pytest.mark.parametrize(
    ("token", "asked", "who", "verdict"),
    [
        ("vk-ops", {}, "ops", "refuse"),
        (ADMIN_TOKEN, {"key": "ops"}, "ops", "refuse"),
        (ADMIN_TOKEN, {"key": "made"}, "made", "send"),
        (ADMIN_TOKEN, {"headers": {"Authorization": "Bearer vk-ops"}}, "ops", "refuse"),
        (ADMIN_TOKEN, {"key": "old"}, "old", "refuse"),
        (ADMIN_TOKEN, {}, None, "refuse"),
    ],
)
def test_as_whom(desk, token, asked, who, verdict):
    """A holder looks as that key; the admin token as any; what is told fits its schema."""
    got = check(desk, {"body": BODY, **asked}, token=token)
    schemas = openapi_document()["components"]["schemas"]

    assert (200, who, verdict) == (got.status, got.json["key"], got.json["verdict"]), got.text
    assert [] == faults(got.json, schemas["Check"], schemas)


def test_codes(desk):
    """The refusal is the one that a call would meet."""
    codes = [
        check(desk, {"body": BODY, "key": key}, token=ADMIN_TOKEN).json["refusal"]["code"] for key in ("ops", "old")
    ]
    missing = check(desk, {"body": BODY}, token=ADMIN_TOKEN).json["refusal"]["code"]

    assert ["budget_exceeded", "expired_key", "missing_key"] == [*codes, missing]


@pytest.mark.parametrize(
    ("token", "asked", "status"),
    [
        (None, {}, 401),
        ("vk-wrong", {}, 401),
        ("vk-old", {}, 401),
        ("vk-ops", {"key": "made"}, 401),
        (ADMIN_TOKEN, {"key": "nobody"}, 404),
        (ADMIN_TOKEN, {"modle": "x"}, 400),
    ],
)
def test_who_may_not(desk, token, asked, status):
    """Whoever is not known may not look, nor a key as another."""
    got = check(desk, {"body": BODY, **asked}, token=token)

    assert status == got.status, got.text
    assert got.json["error"]["message"]
