"""Requests that are not forwarded: each is a clear error in the caller's dialect, and a row."""

import json
from pathlib import Path

import pytest

from bursar.errors import REFUSALS
from bursar.events import Outcome
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
CHAT = b'{"model":"gpt-4o-mini","messages":[]}'


@pytest.fixture
def provider():
    """A provider that must not be asked."""
    with ScriptedProvider(answer(b"{}")) as provider:
        yield provider
        assert [] == provider.received


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        ("/v1/chat/completions", CHAT, {}, "missing_key"),
        ("/v1/chat/completions", CHAT, {"authorization": "Bearer wrong"}, "invalid_key"),
        ("/v1/files", b"", AUTH, "route_not_metered"),
        ("/v1/batches", b"{}", AUTH, "route_not_metered"),
        ("/v1/realtime", b"", AUTH, "route_not_metered"),
        ("/v1/../api/v1/report", b"", AUTH, "route_not_metered"),
        ("/providers/nope/chat/completions", CHAT, AUTH, "unknown_provider"),
        ("/azure/openai/v1/chat/completions", CHAT, AUTH, "provider_not_configured"),
        ("/v1/chat/completions", b"{", AUTH, "invalid_request"),
        ("/v1/chat/completions", b"", AUTH, "invalid_request"),
        ("/v1/chat/completions", b"[]", AUTH, "invalid_request"),
        ("/v1/chat/completions", b"\xff\xfe{}", AUTH, "invalid_request"),
    ],
)
def test_refused(gateway_for, provider, path, body, headers, code):
    """Each refusal has its code and status, an id, and its row."""
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request(path, body, **headers)
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (REFUSALS[code], code) == (got.status, json.loads(got.body)["error"]["code"])
    assert (Outcome.REFUSED, code, 0) == (row.outcome, row.error, row.cost)
    assert got.headers["x-bursar-request-id"] == row.facts.call_id


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/anthropic/v1/messages", lambda error: error["type"] == "error" and error["error"]["message"]),
        ("/v1/messages", lambda error: error["type"] == "error" and error["error"]["message"]),
        ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", lambda error: error["error"]["status"]),
        ("/bedrock/model/x/converse", lambda error: error["message"]),
        ("/azure/openai/v1/chat/completions", lambda error: error["error"]["code"] == "missing_key"),
    ],
)
def test_refusal_speaks_the_dialect(gateway_for, provider, path, shape):
    """A refusal has the shape of the API that was called, whether or not a provider for it is configured."""
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request(path, b"{}")
        got = client.answer()

    assert 401 == got.status
    assert shape(json.loads(got.body))


def test_missing_tags(gateway_for, provider):
    """Required tags are named in the refusal."""
    top = '[tags]\nrequired = ["feature"]\non_missing = "reject"\n'
    with gateway_for(provider, top=top) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", CHAT, **AUTH)
        got = client.answer()

    assert 400 == got.status
    assert "x-bursar-feature" in json.loads(got.body)["error"]["message"]


def test_unpriced_model_refused(gateway_for, provider):
    """Where the rules refuse models without a price, the answer is 402 and names the way out."""
    with gateway_for(provider, top='[unpriced]\nmode = "refuse"\n') as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", b'{"model":"acme-ft-7","messages":[]}', **AUTH)
        got = client.answer()

    error = json.loads(got.body)["error"]
    assert (402, "unpriced_model") == (got.status, error["code"])
    assert "acme-ft-7" in error["message"]
    assert "[[prices]]" in error["message"]


def test_declared_oversize_body(gateway_for, provider):
    """A body that is too large by its own account is refused before it is sent."""
    with gateway_for(provider, top="[server]\nmax_body_bytes = 2048\n") as gateway, RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3000\r\n\r\n")
        got = client.answer()
        closed = client.is_closed()
        row = gateway.recorder.wait(1)[0]

    assert (413, "close", True) == (got.status, got.headers["connection"], closed)
    assert "2048" in json.loads(got.body)["error"]["message"]
    assert "body_too_large" == row.error


def test_chunked_oversize_body(gateway_for, provider):
    """A chunked body is cut off where it passes the limit."""
    with gateway_for(provider, top="[server]\nmax_body_bytes = 2048\n") as gateway, RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            client.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        got = client.answer()

    assert 413 == got.status


def test_slow_body(gateway_for, provider):
    """A request that does not arrive in time is refused."""
    with gateway_for(provider, top="[server]\nbody_timeout_s = 0.2\n") as gateway, RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        got = client.answer()

    assert (408, "request_timeout") == (got.status, json.loads(got.body)["error"]["code"])


def test_slow_head(gateway_for, provider):
    """A connection that never completes a request's head is closed."""
    with gateway_for(provider, top="[server]\nkeep_alive_s = 0.2\n") as gateway, RawClient(gateway.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ")

        assert client.is_closed()
        assert [] == gateway.recorder.records


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\n" + b"x-a: b\r\n" * 20_000,
        b"POST /v1/chat/completions HTTP/1.1\r\nx-a: " + b"b" * 200_000,
        b"POST /" + b"v" * 200_000,
    ],
)
def test_header_flood(gateway_for, provider, head):
    """An endless head is cut off with 431."""
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.send(head)
        got = client.answer()

    assert 431 == got.status


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost : x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_invalid_http(gateway_for, provider, request_bytes):
    """What is not valid HTTP/1.1 is refused and the connection closed; nothing of it is forwarded."""
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.send(request_bytes)
        got = client.answer()
        closed = client.is_closed()

    assert (400, True) == (got.status, closed)


def test_full_disk(gateway_for, provider):
    """When the opening of a call cannot be recorded, the call is refused: what is not recorded is not spent."""
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        gateway.recorder.is_full = True
        client.request("/v1/chat/completions", CHAT, **AUTH)
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (503, "ledger_unavailable") == (got.status, json.loads(got.body)["error"]["code"])
    assert (Outcome.REFUSED, "ledger_unavailable") == (row.outcome, row.error)


def test_every_refusal_code_is_documented():
    """`docs/errors.md` explains every code."""
    text = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()

    assert [] == [code for code in REFUSALS if f"`{code}`" not in text]


def test_fault_of_our_own(gateway_for, provider, monkeypatch, caplog):
    """A bug of ours is a 500 that says so, a row and a log entry; it is never blamed on the client."""

    def broken(_admission):
        raise ZeroDivisionError

    monkeypatch.setattr("bursar.gateway.station.admit", broken)
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", CHAT, **AUTH)
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (500, "internal_error") == (got.status, json.loads(got.body)["error"]["code"])
    assert "internal_error" == row.error
    assert "ZeroDivisionError" in caplog.text
