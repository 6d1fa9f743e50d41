"""Virtual keys at the door: what they may do, from where, and what happens when they cannot be checked."""

import json

import pytest

from bursar.control.open import FILE
from support.keys import KeyMaker
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

CHAT = b'{"model":"gpt-4o-mini","messages":[]}'
MESSAGES = b'{"model":"claude-haiku-4-5","max_tokens":5,"messages":[]}'
OK = answer(b'{"id":"x","model":"gpt-4o-mini","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')


@pytest.fixture
def provider():
    """A provider that answers everything."""
    with ScriptedProvider(OK) as provider:
        yield provider


@pytest.fixture
def maker(tmp_path):
    """Makes keys in the gateway's data folder."""
    with KeyMaker(tmp_path) as maker:
        yield maker


def ask(gateway, secret, *, path="/v1/chat/completions", body=CHAT, **headers):
    """One call; (status, error code or None, message)."""
    with RawClient(gateway.port) as client:
        given = {} if secret is None else {"authorization": f"Bearer {secret}"}
        client.request(path, body, **given, **headers)
        got = client.answer()
    error = json.loads(got.body).get("error") or {}
    return got.status, error.get("code"), error.get("message", "")


def eventually(gateway, expected, *arguments, **more):
    """Ask until the answer's code is as expected, which a change must lead to within a second."""
    gateway.until(lambda: expected == ask(gateway, *arguments, **more)[1])


def test_made_before_and_after_the_start(gateway_for, provider, maker):
    """Keys made before the gateway starts and while it runs both work, and rows bear their names and teams."""
    before = maker.create("before", team="ads", tags={"feature": "x"})
    with gateway_for(provider) as gateway:
        after = maker.create("after", team="maps")
        answers = [ask(gateway, secret)[0] for secret in (before, after, "vk-search")]
        rows = gateway.recorder.wait(3)

    assert [200] * 3 == answers
    assert [("before", "ads"), ("after", "maps"), ("search-prod", "search")] == [
        (row.facts.principal.key, row.facts.principal.team) for row in rows
    ]
    assert (("feature", "x"),) == rows[0].facts.tags


def test_first_key_closes_an_open_gateway(gateway_for, provider, maker):
    """The first key that is made closes the door to everybody without one, and deleting it does not open it."""
    with gateway_for(provider, keys=False) as gateway:
        assert 200 == ask(gateway, None)[0]
        secret = maker.create("first")
        eventually(gateway, "missing_key", None)
        assert 200 == ask(gateway, secret)[0]
        maker.book.delete("first", maker.author)
        eventually(gateway, "disabled_key", secret)

        assert "missing_key" == ask(gateway, None)[1]


def test_changes_reach_a_running_gateway(gateway_for, provider, maker):
    """A key is disabled, enabled, rotated and deleted while it is in use; refusals name it, in the row as well."""
    secret = maker.create("ci")
    with gateway_for(provider) as gateway:
        assert 200 == ask(gateway, secret)[0]
        maker.book.change("ci", {"enabled": False}, maker.author)
        eventually(gateway, "disabled_key", secret)
        maker.book.change("ci", {"enabled": True}, maker.author)
        eventually(gateway, None, secret)
        new = maker.book.rotate("ci", overlap_us=0, author=maker.author).secret
        eventually(gateway, "expired_key", secret)
        assert 200 == ask(gateway, new)[0]
        maker.book.delete("ci", maker.author)
        eventually(gateway, "disabled_key", new)
        gateway.until(lambda: gateway.recorder.settled[-1].error == "disabled_key")

        assert "ci" == gateway.recorder.settled[-1].facts.principal.key


@pytest.mark.parametrize(
    ("terms", "call", "code", "named"),
    [
        ({"models": ["gpt-5*"]}, {}, "model_not_allowed", "'gpt-4o-mini'"),
        ({"models": ["gpt-4o-mini"]}, {}, None, ""),
        ({"routes": ["embeddings"]}, {}, "route_not_allowed", "chat.completions"),
        ({"routes": ["anthropic"]}, {}, "route_not_allowed", "(openai)"),
        ({"routes": ["chat.*"]}, {}, None, ""),
        ({"allow_tags": {"environment": ["prod"]}}, {"x-bursar-environment": "dev"}, "tag_not_allowed", "'dev'"),
        ({"allow_tags": {"environment": ["prod"]}}, {"x-bursar-env": "prod"}, None, ""),
        ({"allow_tags": {"team": ["ads"]}}, {"x-bursar-team": "maps"}, "tag_not_allowed", "team to 'maps'"),
        ({"networks": ["10.0.0.0/8"]}, {}, "network_not_allowed", "127.0.0.1"),
        ({"networks": ["127.0.0.0/8"]}, {}, None, ""),
        ({"networks": ["192.0.2.0/24"]}, {"x-forwarded-for": "192.0.2.1"}, "network_not_allowed", "127.0.0.1"),
        ({"expires_at": "2020-01-01"}, {}, "expired_key", "2020-01-01"),
    ],
)
def test_terms(gateway_for, provider, maker, terms, call, code, named):
    """Each term is enforced, and its refusal names the key and what was wrong; nothing reaches the provider."""
    secret = maker.create("ci", **{name: tuple(v) if isinstance(v, list) else v for name, v in terms.items()})
    with gateway_for(provider) as gateway:
        status, got, message = ask(gateway, secret, **call)
        row = gateway.recorder.wait(1)[0]

    assert (code, "ci") == (got, row.facts.principal.key)
    assert named in message
    if code is not None:
        assert status in (401, 403)
        assert "'ci'" in message
        assert [] == provider.received


def test_models_of_other_routes(gateway_for, provider, maker):
    """The same key is held to its models on every route, wherever the route names the model."""
    secret = maker.create("ci", models=("gpt-5*",))
    with gateway_for(provider) as gateway:
        codes = [
            ask(gateway, secret, path=path, body=body)
            for path, body in (
                ("/anthropic/v1/messages", MESSAGES),
                ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", b'{"contents":[]}'),
                ("/v1/embeddings", b'{"model":"text-embedding-3-small","input":"x"}'),
                ("/v1/responses", b'{"input":"x"}'),
                ("/anthropic/v1/messages/count_tokens", MESSAGES),
            )
        ]

    assert [403] * 5 == [status for status, _, _ in codes]
    assert "names no model" in codes[3][2]
    assert [] == provider.received


def test_behind_a_proxy(gateway_for, provider, maker):
    """A trusted proxy's word counts, and only what it appended."""
    secret = maker.create("ci", networks=("192.0.2.0/24",))
    with gateway_for(provider, top='[server]\ntrusted_proxies = ["127.0.0.1"]\n') as gateway:
        codes = [
            ask(gateway, secret, **{"x-forwarded-for": text})[1]
            for text in ("192.0.2.7", "198.51.100.1, 192.0.2.7", "192.0.2.7, 198.51.100.1", "nonsense")
        ]

    assert [None, None, "network_not_allowed", "network_not_allowed"] == codes


def test_keys_that_cannot_be_checked(gateway_for, provider, maker, tmp_path):
    """While the control state is away: keys in use and the file's go on, others are 503 and never 401."""
    used, unused = maker.create("used"), maker.create("unused")
    with gateway_for(provider) as gateway:
        assert 200 == ask(gateway, used)[0]
        (tmp_path / FILE).rename(tmp_path / "away")
        gateway.until(lambda: gateway.control.keys.trouble is not None)
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, authorization=f"Bearer {unused}")
            refused = client.answer()
            client.request("/readyz", b"", method="GET")
            ready = json.loads(client.answer().body)
        answers = [ask(gateway, secret)[:2] for secret in (used, "vk-search", "sk-other")]
        (tmp_path / "away").rename(tmp_path / FILE)
        eventually(gateway, None, unused)

    assert (503, "identity_unavailable", "5") == (
        refused.status,
        json.loads(refused.body)["error"]["code"],
        refused.headers["retry-after"],
    )
    assert [(200, None), (200, None), (401, "invalid_key")] == answers
    assert ready["ready"]
    assert "only virtual keys that were seen before are let in" in ready["reasons"][0]


def test_grace_ends(gateway_for, provider, maker, tmp_path):
    """After the grace, keys that were seen before cannot be checked either, and the gateway is not ready."""
    secret = maker.create("used")
    with gateway_for(provider, top="[server]\nkey_grace_s = 0\n") as gateway:
        assert 200 == ask(gateway, secret)[0]
        (tmp_path / FILE).rename(tmp_path / "away")
        eventually(gateway, "identity_unavailable", secret)
        with RawClient(gateway.port) as client:
            client.request("/readyz", b"", method="GET")
            ready = client.answer()
            client.request("/metrics", b"", method="GET")
            metrics = client.answer().body

    assert 503 == ready.status
    assert b"virtual keys cannot be checked" in ready.body
    assert b"bursar_control_unavailable 1.0" in metrics
