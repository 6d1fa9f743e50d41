"""`bursar keys`: every command, on a data folder without a gateway."""

import json

import pytest

from bursar.control.open import FILE
from bursar.policy.secret import hash_key, is_issued_form
from support.keys import KeyMaker

FILE_KEY = '[[keys]]\nname = "from-file"\nkey = "env:NOT_SET"\nteam = "ops"\ntags = { feature = "batch" }\n'


@pytest.fixture
def filled(bursar):
    """One key of every kind."""
    bursar.configure(FILE_KEY)
    with KeyMaker(bursar.data_dir, now_us=bursar.clock.us) as maker:
        maker.create(
            "search-prod",
            organisation="acme",
            team="search",
            project="answers",
            tags={"environment": "prod", "feature": "answers"},
            models=("gpt-5*", "o3"),
            routes=("openai",),
            allow_tags={"environment": ("prod", "canary")},
            networks=("10.0.0.0/8", "2001:db8::/32"),
            expires_at="2027-01-01",
        )
        maker.create("ci")
        maker.create("old", expires_at="2026-01-01")
        maker.create("gone")
        maker.book.rotate("ci", overlap_us=3_600_000_000, author=maker.author)
        maker.book.delete("gone", maker.author)
    return bursar


def test_list(filled):
    """All keys by name, those of the file among them."""
    filled.golden("keys_list", filled("keys", "list").out)


def test_show(filled):
    """Everything about one key."""
    filled.golden("keys_show", filled("keys", "show", "search-prod").out)


def test_deleted_keys_are_listed_when_asked_for(filled):
    """The name of a deleted key is not lost."""
    listed = filled("keys", "list", "--deleted", "--format", "json").json()

    assert {"from-file": "enabled", "ci": "enabled", "gone": "deleted", "old": "expired", "search-prod": "enabled"} == {
        row["name"]: row["state"] for row in listed
    }
    assert "2026" in filled("keys", "show", "gone", "--format", "csv").csv()[0]["deleted_at"]


def test_formats(filled):
    """JSON lists are flat, one object is whole, CSV has every field."""
    (row,) = [one for one in filled("keys", "list", "--format", "json").json() if one["name"] == "search-prod"]
    shown = filled("keys", "show", "search-prod", "--format", "json").json()
    told = {one["name"]: one for one in filled("keys", "list", "--format", "csv").csv()}

    assert ("gpt-5*,o3", "environment=prod,canary") == (row["models"], row["allow_tags"])
    assert (["gpt-5*", "o3"], {"environment": ["prod", "canary"]}) == (shown["models"], shown["allow_tags"])
    assert {name: value or "" for name, value in row.items()} == told["search-prod"]
    assert list(shown) == list(row)


def test_create(bursar):
    """The secret alone goes to standard output; the key has all terms that were given, and its maker is logged."""
    made = bursar(
        *("keys", "create", "ci", "--team", "search", "--organisation", "acme", "--project", "p"),
        *("--tag", "env=ci", "--model", "gpt-5*", "--model", "o3", "--route", "openai", "--network", "10.0.0.0/8"),
        *("--allow-tag", "environment=ci", "--allow-tag", "environment=dev", "--expires", "90d"),
    )
    secret = made.out.strip()
    with KeyMaker(bursar.data_dir) as maker:
        found = maker.control.keys.find(hash_key(secret.encode()))
        (entry,) = maker.control.audit.newest(limit=9)

    assert (0, f"{secret}\n", True) == (made.code, made.out, is_issued_form(secret.encode()))
    assert {
        "name": "ci",
        "organisation": "acme",
        "team": "search",
        "project": "p",
        "tags": {"env": "ci"},
        "models": ["gpt-5*", "o3"],
        "routes": ["openai"],
        "allow_tags": {"environment": ["ci", "dev"]},
        "networks": ["10.0.0.0/8"],
        "expires_at": "2027-01-31T00:00:00.000Z",
        "enabled": True,
    } == json.loads(entry.after)
    assert "ci" == found.grant.name
    assert ("key.create", True) == (entry.action, entry.actor.endswith("(command line)"))
    assert "It is the first key: from now on, calls without a key are refused." in made.err
    assert "only time that the key is shown" in made.err


def test_second_key_is_not_the_first(filled):
    """Only the key that closes the gateway says so."""
    assert "first key" not in filled("keys", "create", "another").err


@pytest.mark.parametrize("form", ["json", "csv"])
def test_create_for_programs(bursar, form):
    """Programs get the row with the secret in it."""
    made = bursar("keys", "create", "ci", "--format", form)
    (row,) = made.json() if form == "json" else made.csv()

    assert ("ci", row["secret"][-4:]) == (row["name"], row["last4"])


def test_rotate(bursar):
    """A new secret is printed; the old one works until the overlap ends, and both are this key's."""
    old = bursar("keys", "create", "ci").out.strip()
    rotated = bursar("keys", "rotate", "ci", "--overlap", "2h")
    with KeyMaker(bursar.data_dir) as maker:
        ends = [maker.control.keys.find(hash_key(one.encode())).secret_ends_us for one in (old, rotated.out.strip())]

    assert [bursar.clock.us + 2 * 3_600_000_000, None] == ends
    assert "The old secret of 'ci' ends at 2026-11-02T02:00:00.000Z" in rotated.err


def test_switching(bursar):
    """A key is disabled, enabled and deleted by name."""
    bursar("keys", "create", "ci")
    states = []
    for command in ("disable", "enable", "delete"):
        assert 0 == bursar("keys", command, "ci").code
        states.append(bursar("keys", "show", "ci", "--format", "json").json()["state"])

    assert ["disabled", "enabled", "deleted"] == states


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create", "from-file"), "bursar.toml declares a key 'from-file'"),
        (("create", "ci"), "there is, or was, a key 'ci'"),
        (("create", "gone"), "there is, or was, a key 'gone'"),
        (("create", "a b"), "a b: Expected `str` matching regex"),
        (("create", "n", "--tag", "feature"), "'feature' is not NAME=VALUE"),
        (("create", "n", "--allow-tag", "=x"), "'=x' is not NAME=VALUE"),
        (("create", "n", "--network", "home"), "'home' is not a network"),
        (("create", "n", "--expires", "soon"), "write a length from now such as 90d"),
        (("rotate", "ci", "--overlap", "long"), "'long' is not a length of time"),
        (("rotate", "from-file"), "declared in bursar.toml"),
        (("disable", "nobody"), "there is no key 'nobody'"),
        (("delete", "gone"), "the key 'gone' was deleted"),
        (("show", "nobody"), "`bursar keys list` names them all"),
    ],
)
def test_wrong_usage(filled, arguments, named):
    """What cannot be done exits 2 and says why."""
    done = filled("keys", *arguments)

    assert (2, "") == (done.code, done.out)
    assert named in done.err


def test_no_keys(bursar):
    """An empty list says what that means."""
    listed = bursar("keys", "list", "--format", "json")

    assert (0, []) == (listed.code, listed.json())
    assert "anybody on this machine may call" in listed.err


def test_unreadable_control_state(bursar):
    """A damaged database exits 3."""
    (bursar.data_dir / FILE).write_bytes(b"nonsense" * 200)
    listed = bursar("keys", "list")

    assert (3, "") == (listed.code, listed.out)
    assert "cannot be used" in listed.err
