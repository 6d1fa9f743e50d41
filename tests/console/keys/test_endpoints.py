"""Virtual keys over HTTP: who may write, what is answered, what is logged."""

import json
import re

import pytest
from starlette.requests import Request

from bursar.console.admin import ACTOR, AdminToken
from bursar.console.openapi import openapi_document
from bursar.console.operations import OPERATIONS, PREFIX
from bursar.control.open import FILE
from bursar.policy.secret import PATTERN, hash_key
from support.console import RunningConsole
from support.gateway import ADMIN_TOKEN
from support.schema import faults

FILE_KEY = '[[keys]]\nname = "from-file"\nkey = "env:K"\nteam = "ops"\n'


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A console whose keys may be changed; tests use names of their own."""
    folder = tmp_path_factory.mktemp("desk")
    with RunningConsole(folder, config=FILE_KEY, environ={"K": "k"}, has_ledger=False) as running:
        yield running


def write(desk, method, path, body=None, *, token=ADMIN_TOKEN):
    """Ask for a change."""
    data = b"" if body is None else json.dumps(body).encode()
    return desk.get(PREFIX + path, method=method, body=data, token=token)


def test_create(desk):
    """The answer has the key and, this once, its secret; nothing may keep it."""
    made = write(desk, "POST", "/keys", {"name": "made", "team": "ads", "models": ["gpt-5*"]})
    shown = desk.get("/api/v1/keys/made").json
    found = desk.control.keys.find(hash_key(made.json["secret"].encode()))

    assert (201, "no-store") == (made.status, made.headers["cache-control"])
    assert re.fullmatch(PATTERN, made.json["secret"])
    assert shown == {name: value for name, value in made.json.items() if name != "secret"}
    assert ("ads", ("gpt-5*",)) == (found.grant.team, found.grant.models)
    assert ("control", "enabled", "admin token") == tuple(shown[name] for name in ("source", "state", "made_by"))
    assert made.json["secret"] not in desk.get("/api/v1/keys").text + desk.get("/api/v1/audit-log").text


def test_change_rotate_delete(desk):
    """A key goes through its life; each step is answered with the key as it is then."""
    first = write(desk, "POST", "/keys", {"name": "life", "team": "ads"}).json["secret"]
    disabled = write(desk, "PATCH", "/keys/life", {"enabled": False, "team": "maps"}).json
    rotated = write(desk, "POST", "/keys/life/rotate", {"overlap": "2h"})
    again = write(desk, "POST", "/keys/life/rotate")
    deleted = write(desk, "DELETE", "/keys/life").json
    shown = desk.get("/api/v1/keys/life").json

    assert ("disabled", "maps") == (disabled["state"], disabled["team"])
    assert [200, 200] == [rotated.status, again.status]
    assert 3 == len({first, rotated.json["secret"], again.json["secret"]})
    assert rotated.json["previous_until"] is not None
    assert ("deleted", deleted) == (deleted["state"], shown)


def test_every_write_is_logged(desk):
    """The log tells who, what, before and after, newest first."""
    write(desk, "POST", "/keys", {"name": "logged"})
    write(desk, "PATCH", "/keys/logged", {"team": "ads"})
    log = desk.get("/api/v1/audit-log?subject=logged").json

    assert [("key.change", "logged", ACTOR), ("key.create", "logged", ACTOR)] == [
        (entry["action"], entry["subject"], entry["actor"]) for entry in log
    ]
    assert ("", "ads") == (log[0]["before"]["team"], log[0]["after"]["team"])
    assert None is log[1]["before"]


@pytest.mark.parametrize("token", [None, "", "wrong", ADMIN_TOKEN + "x", ADMIN_TOKEN[:-1], "bsa-\xe9"])
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.needs_token], ids=lambda one: one.name)
def test_writing_needs_the_token(desk, operation, token):
    """Without the token, nothing is written whatever is asked, and the answer says where the token is."""
    before = desk.control.version()
    path = operation.path.replace("{name}", "from-file")
    refused = write(desk, operation.method, path, {"name": "sneaky"}, token=token)

    assert (401, "Bearer") == (refused.status, refused.headers["www-authenticate"])
    assert "admin token of the gateway's data folder" in refused.json["error"]["message"]
    assert before == desk.control.version()


@pytest.mark.parametrize("given", ["", "Basic bsa-test", "bsa-test", "Bearer", "Bearer  other"])
def test_other_schemes(given):
    """Only a bearer token counts."""
    request = Request({"type": "http", "headers": [(b"authorization", given.encode())]})

    with pytest.raises(Exception, match="it needs the admin token"):
        AdminToken(b"bsa-test").check(request)


def test_the_token_itself():
    """The token is recognised, whatever the case of the scheme's name."""
    for given in (b"Bearer bsa-test", b"bearer bsa-test", b"BEARER  bsa-test "):
        AdminToken(b"bsa-test").check(Request({"type": "http", "headers": [(b"authorization", given)]}))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("POST", "/keys", {"name": "from-file"}, 409, "bursar.toml declares a key"),
        ("POST", "/keys", {"name": "a b"}, 400, "$.name"),
        ("POST", "/keys", {}, 400, "missing required field `name`"),
        ("POST", "/keys", {"name": "n", "colour": 1}, 400, "unknown field `colour`"),
        ("POST", "/keys", {"name": "n", "key": "env:X"}, 400, "unknown field `key`"),
        ("POST", "/keys", {"name": "n", "networks": ["x"]}, 400, "'x' is not a network"),
        ("POST", "/keys", [], 400, "the body is not what this operation takes"),
        ("POST", "/keys", None, 400, "the body is not what this operation takes"),
        ("PATCH", "/keys/from-file", {}, 409, "change it there"),
        ("PATCH", "/keys/nobody", {}, 404, "there is no key 'nobody'"),
        ("DELETE", "/keys/from-file", None, 409, "change it there"),
        ("DELETE", "/keys/nobody", None, 404, "there is no key 'nobody'"),
        ("POST", "/keys/nobody/rotate", None, 404, "there is no key 'nobody'"),
        ("POST", "/keys/from-file/rotate", None, 409, "change it there"),
        ("POST", "/keys/from-file/rotate", {"overlap": "soon"}, 400, "overlap: 'soon' is not a length of time"),
        ("POST", "/keys/from-file/rotate", {"over": "1h"}, 400, "unknown field `over`"),
    ],
)
def test_refused_changes(desk, method, path, body, status, named):
    """What cannot be done is said in the one shape of errors."""
    answer = write(desk, method, path, body)

    assert (status, ["error"]) == (answer.status, list(answer.json))
    assert named in answer.json["error"]["message"]


def test_names_are_taken(desk):
    """A second key of a name is a conflict."""
    codes = [write(desk, "POST", "/keys", {"name": "twice"}).status for _ in range(2)]

    assert [201, 409] == codes


def test_listing(desk):
    """The file's keys and those made here come by name, page by page, deleted ones when asked for."""
    for name in ("la", "lb", "lc"):
        write(desk, "POST", "/keys", {"name": name})
    write(desk, "DELETE", "/keys/lb")
    seen, path = [], "/api/v1/keys?limit=1"
    while path:
        answer = desk.get(path)
        seen += [key["name"] for key in answer.json]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        path = link and link.group(1)
    whole = {key["name"]: key for key in desk.get("/api/v1/keys?deleted=true").json}

    assert sorted(seen) == seen
    assert {"la", "lc", "from-file"} <= set(seen)
    assert "lb" not in seen
    assert ("deleted", "file") == (whole["lb"]["state"], whole["from-file"]["source"])


@pytest.mark.parametrize("query", ["keys?limit=0", "keys?limit=1001", "audit-log?limit=x", "audit-log?before=0"])
def test_wrong_questions(desk, query):
    """Numbers out of bounds are refused with the bounds."""
    answer = desk.get(f"/api/v1/{query}")

    assert 400 == answer.status
    assert "is not a whole number from 1 to" in answer.json["error"]["message"]


def test_log_pages(desk):
    """The log's Link header leads through all of it, each entry once."""
    write(desk, "POST", "/keys", {"name": "paged"})
    for team in "abc":
        write(desk, "PATCH", "/keys/paged", {"team": team})
    seen, path = [], "/api/v1/audit-log?subject=paged&limit=3"
    while path:
        answer = desk.get(path)
        seen += [entry["id"] for entry in answer.json]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        path = link and link.group(1)

    assert 4 == len(set(seen)) == len(seen)
    assert sorted(seen, reverse=True) == seen


def test_answers_have_the_described_shape(desk):
    """What writing is answered with fits the document."""
    schemas = openapi_document()["components"]["schemas"]
    issued = write(desk, "POST", "/keys", {"name": "shaped", "allow_tags": {"environment": ["prod"]}}).json
    changed = write(desk, "PATCH", "/keys/shaped", {"tags": {"feature": "x"}}).json

    assert [] == faults(issued, schemas["IssuedKey"], schemas)
    assert [] == faults(changed, schemas["Key"], schemas)


def test_methods(desk):
    """A path tells all of its methods."""
    answer = desk.get("/api/v1/keys/x", method="PUT")

    assert 405 == answer.status
    assert {"GET", "HEAD", "PATCH", "DELETE"} == set(answer.headers["allow"].split(", "))


def test_control_state_away(tmp_path):
    """When the control state cannot be read, keys are 503 and nothing is made up."""
    with RunningConsole(tmp_path, config=FILE_KEY, environ={"K": "k"}, has_ledger=False) as alone:
        (tmp_path / FILE).unlink()
        answers = [
            write(alone, "POST", "/keys", {"name": "x"}),
            write(alone, "DELETE", "/keys/x"),
        ]

    assert [503, 503] == [answer.status for answer in answers]
    assert all("cannot be used" in answer.json["error"]["message"] for answer in answers)
