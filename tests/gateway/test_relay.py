"""Relaying: what the client and the provider see, and the row that each call leaves."""

import gzip
import json
import socket
import threading

import pytest

from bursar.events import Outcome, PriceStatus, UsageStatus
from bursar.usage import Meter
from support.provider import ScriptedProvider, answer, reset, send_chunk, stream_head
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).encode()
STREAM = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": []}).encode()
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json.dumps({"id": "chatcmpl-1", "model": "gpt-4o-mini", "choices": [], "usage": USAGE}).encode()
COST_USD = "0.00021"  # 1000 x $0.15/M + 100 x $0.60/M
RAW_STREAM = (
    b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer vk-search\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(STREAM), STREAM)
)
DELTA = b'data: {"id":"c","model":"gpt-4o-mini","choices":[{"delta":{"content":"12345678"}}]}\n\n'
USAGE_CHUNK = b'data: {"id":"c","model":"gpt-4o-mini","choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
DONE = b"data: [DONE]\n\n"


def streaming(*chunks: bytes, end: bool = True):
    def script(connection, _request):
        stream_head(connection)
        for chunk in chunks:
            send_chunk(connection, chunk)
        if end:
            send_chunk(connection, b"")

    return script


def test_unstreamed_call(gateway_for):
    """The body comes through byte for byte; the cost stands in headers and in the row."""
    with (
        ScriptedProvider(answer(ANSWER, extra="x-request-id: req-9\r\n")) as provider,
        gateway_for(provider) as gateway,
    ):
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, x_bursar_feature="chat", **AUTH)
            got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (got.status, got.body) == (200, ANSWER)
    assert (got.headers["x-bursar-cost-usd"], got.headers["x-bursar-price-status"]) == (COST_USD, "priced")
    assert row.facts.call_id == got.headers["x-bursar-request-id"]
    assert (row.provider_request_id, row.response_id) == ("req-9", "chatcmpl-1")
    assert (
        row.outcome,
        row.usage_status,
        row.price_status,
    ) == (Outcome.SUCCESS, UsageStatus.REPORTED, PriceStatus.PRICED)
    assert (row.facts.principal.team, row.facts.principal.key) == ("search", "search-prod")
    assert row.facts.tags == (("feature", "chat"),)
    assert {Meter(m): n for m, n in row.usage} == {Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 100}


def test_what_the_provider_sees(gateway_for):
    """The provider gets the caller's bytes and headers, our credential, and nothing that is ours or the hop's."""
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request(
                "/v1/chat/completions?x=1", CHAT, x_bursar_feature="chat", user_agent="sdk/1", cookie="a=b",
                accept_encoding="gzip", te="trailers", openai_beta="v2", **AUTH,
            )  # fmt: skip
            client.answer()
        seen = provider.received[0]

    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/chat/completions?x=1", CHAT)
    assert seen.headers["authorization"] == "Bearer sk-provider"
    assert (
        seen.headers["accept-encoding"],
        seen.headers["user-agent"],
        seen.headers["openai-beta"],
    ) == ("identity", "sdk/1", "v2")
    assert not [name for name in seen.headers if name.startswith("x-bursar-") or name in ("cookie", "te")]


def test_stream_is_not_held_back(gateway_for):
    """Each event reaches the client before the provider sends the next one."""
    proceed = threading.Semaphore(0)

    def script(connection, _request):
        stream_head(connection)
        for chunk in (DELTA, DELTA, DELTA):
            send_chunk(connection, chunk)
            assert proceed.acquire(timeout=10)
        send_chunk(connection, USAGE_CHUNK + DONE)
        send_chunk(connection, b"")

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", STREAM, **AUTH)
            client.head()
            for _ in range(3):
                assert client.chunk() == DELTA
                proceed.release()
            rest = b"".join(iter(client.chunk, b""))
        row = gateway.recorder.wait(1)[0]

    assert rest == DONE
    assert {Meter(m): n for m, n in row.usage} == {Meter.INPUT_TEXT: 1000, Meter.OUTPUT_TEXT: 100}


def test_cost_comment_on_request(gateway_for):
    """A stream ends with its cost as an SSE comment where that is asked for, and only there."""
    script = streaming(DELTA, USAGE_CHUNK, DONE)
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", STREAM, x_bursar_stream_cost="comment", **AUTH)
        asked = client.answer()
        client.request("/v1/chat/completions", STREAM, **AUTH)
        plain = client.answer()

    assert plain.body == DELTA + DONE
    assert plain.body + f": bursar cost_usd={COST_USD} price_status=priced\n\n".encode() == asked.body


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/v1/audio/speech", "audio/mpeg"),
        ("/bedrock/model/m/converse-stream", "application/vnd.amazon.eventstream"),
        ("/gemini/v1beta/models/m:streamGenerateContent", "text/event-stream"),
    ],
)
def test_no_cost_comment(gateway_for, path, content_type):
    """A format without comments, or one whose client cannot read them, is left alone even where one is asked for."""
    body = b'data: {"usage":null}\n\n'
    script = answer(body, content_type=content_type)
    with ScriptedProvider(script) as provider:
        bedrock = (
            f'[[providers]]\nname = "bedrock"\ndialect = "bedrock"\n'
            f'base_url = "{provider.url}"\napi_key = "env:PROVIDER_KEY"\n'
        )
        with gateway_for(provider, top=bedrock) as gateway, RawClient(gateway.port) as client:
            client.request(path, b'{"model":"m","input":"hi"}', x_bursar_stream_cost="comment", **AUTH)
            got = client.answer()

    assert body == got.body


def test_cost_comment_lengthens(gateway_for):
    """A stream whose length the provider declared is framed anew, so that the comment fits."""
    body = DELTA + USAGE_CHUNK + DONE
    asking = b'{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    script = answer(body, content_type="text/event-stream")
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", asking, x_bursar_stream_cost="comment", **AUTH)
        got = client.answer()

    assert body + f": bursar cost_usd={COST_USD} price_status=priced\n\n".encode() == got.body


def test_callers_signature_stays_here(gateway_for):
    """Parts of an AWS signature made with the virtual key, a session token among them, are not passed on."""
    signature = {"x_amz_date": "20261122T000000Z", "x_amz_security_token": "t", "x_amz_content_sha256": "0"}
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, **signature, **AUTH)
            client.answer()
        seen = provider.received[0].headers

    assert not {name.replace("_", "-") for name in signature} & set(seen)


def test_hangup_is_drained(gateway_for):
    """When the client leaves, the provider's answer is read on and its usage is exact."""
    left = threading.Event()

    def script(connection, _request):
        stream_head(connection)
        send_chunk(connection, DELTA)
        assert left.wait(10)
        send_chunk(connection, DELTA + USAGE_CHUNK + DONE)
        send_chunk(connection, b"")

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", STREAM, **AUTH)
            client.head()
            client.chunk()
        gateway.until(lambda: not gateway.gateway.connections)
        left.set()
        row = gateway.recorder.wait(1)[0]

    assert (row.outcome, row.usage_status, row.cost) == (Outcome.HANGUP, UsageStatus.REPORTED, 210_000_000)


@pytest.mark.parametrize("limit", ["drain_max_bytes = 0", "drain_timeout_s = 0", "drain_timeout_s = 0.1"])
def test_hangup_past_the_limit_is_estimated(gateway_for, limit):
    """Past the drain limit the provider is cut, and what was seen is billed as an estimate, never as nothing."""
    left = threading.Event()

    def script(connection, _request):
        stream_head(connection)
        send_chunk(connection, DELTA * 10)
        assert left.wait(10)
        while True:
            send_chunk(connection, DELTA)
            threading.Event().wait(0.01)

    with ScriptedProvider(script) as provider, gateway_for(provider, top=f"[relay]\n{limit}\n") as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", STREAM, **AUTH)
            client.head()
            client.chunk()
        gateway.until(lambda: not gateway.gateway.connections)
        left.set()
        row = gateway.recorder.wait(1)[0]

    assert (row.outcome, row.usage_status) == (Outcome.HANGUP, UsageStatus.ESTIMATED)
    assert row.cost > 0
    assert dict(row.usage)[Meter.OUTPUT_TEXT] >= 20


def test_hangup_before_the_answer(gateway_for):
    """A client that leaves before the first byte still has its call metered to the end."""
    arrived, left = threading.Event(), threading.Event()

    def script(connection, request):
        arrived.set()
        assert left.wait(10)
        answer(ANSWER)(connection, request)

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, **AUTH)
            assert arrived.wait(10)
        gateway.until(lambda: not gateway.gateway.connections)
        left.set()
        row = gateway.recorder.wait(1)[0]

    assert (row.outcome, row.usage_status, row.cost) == (Outcome.HANGUP, UsageStatus.REPORTED, 210_000_000)


def test_reset_inside_a_stream(gateway_for):
    """A provider that breaks off leaves the client with an incomplete body and the row with an estimate."""

    def script(connection, _request):
        stream_head(connection)
        send_chunk(connection, DELTA)
        reset(connection)

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", STREAM, **AUTH)
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (got.body, got.is_complete) == (DELTA, False)
    assert (row.outcome, row.usage_status, row.error) == (Outcome.RESET, UsageStatus.ESTIMATED, "upstream_reset")


def test_reset_before_the_answer(gateway_for):
    """A provider that breaks off before answering is a 502 in the caller's dialect."""
    with ScriptedProvider(lambda connection, _: reset(connection)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, **AUTH)
            got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (got.status, json.loads(got.body)["error"]["code"]) == (502, "upstream_unreachable")
    assert (row.outcome, row.usage_status) == (Outcome.RESET, UsageStatus.ESTIMATED)


def test_provider_that_is_not_there(gateway_for):
    """A connection that is refused costs nothing and says who could not be reached."""
    with ScriptedProvider(answer(ANSWER)) as provider:
        pass
    with gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/anthropic/v1/messages", b'{"model":"claude-sonnet-5","max_tokens":5}', x_api_key="vk-search")
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    error = json.loads(got.body)
    assert (got.status, error["type"]) == (502, "error")
    assert "'anthropic' could not be reached" in error["error"]["message"]
    assert (row.outcome, row.price_status, row.cost) == (Outcome.ERROR, PriceStatus.NOT_BILLED, 0)


@pytest.mark.parametrize(
    ("setting", "chunks", "status", "error"),
    [
        ("first_byte_timeout_s = 0.1", (), 504, "upstream_first_byte_timeout"),
        ("idle_timeout_s = 0.1", (DELTA,), 200, "upstream_idle_timeout"),
    ],
)
def test_provider_that_falls_silent(gateway_for, setting, chunks, status, error):
    """A silent provider is given up after its timeout."""
    over = threading.Event()

    def script(connection, _request):
        if chunks:
            stream_head(connection)
        for chunk in chunks:
            send_chunk(connection, chunk)
        over.wait(20)

    with ScriptedProvider(script) as provider, gateway_for(provider, top=f"[relay]\n{setting}\n") as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", STREAM, **AUTH)
            got = client.answer()
        row = gateway.recorder.wait(1)[0]
        over.set()

    assert (status, not chunks) == (got.status, got.is_complete)
    assert (Outcome.TIMEOUT, UsageStatus.ESTIMATED, error) == (row.outcome, row.usage_status, row.error)


def test_dead_pooled_connection(gateway_for):
    """A request that met a dead connection is sent again as a second attempt, and both have their row."""

    def script(connection, request):
        if len(provider.received) == 2:
            reset(connection)
        else:
            answer(ANSWER)(connection, request)

    provider = ScriptedProvider(script)
    with provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        for _ in range(2):
            client.request("/v1/chat/completions", CHAT, **AUTH)
            got = client.answer()
        rows = gateway.recorder.wait(3)

    assert (got.status, got.body) == (200, ANSWER)
    assert [(row.facts.attempt, row.outcome) for row in rows] == [
        (1, Outcome.SUCCESS),
        (1, Outcome.RESET),
        (2, Outcome.SUCCESS),
    ]
    assert rows[1].facts.call_id == rows[2].facts.call_id
    assert (rows[1].usage_status, rows[1].cost) == (UsageStatus.MISSING, None)


def test_provider_error_passes_through(gateway_for):
    """A provider's own error reaches the client as it is and bills nothing."""
    body = b'{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}'
    script = answer(body, status=429, extra="retry-after: 7\r\n")
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", CHAT, **AUTH)
        got = client.answer()
        row = gateway.recorder.wait(1)[0]

    assert (429, "7", body) == (got.status, got.headers["retry-after"], got.body)
    assert (row.outcome, row.status, row.usage_status, row.cost) == (Outcome.ERROR, 429, UsageStatus.NONE, 0)


def test_compressed_answer_is_metered(gateway_for):
    """A provider that compresses although asked not to is relayed as it is and still metered."""
    packed = gzip.compress(ANSWER)
    script = answer(packed, extra="content-encoding: gzip\r\n")
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", CHAT, **AUTH)
        got = client.answer()

    assert (packed, "gzip", COST_USD) == (
        got.body,
        got.headers["content-encoding"],
        got.headers["x-bursar-cost-usd"],
    )


def test_slow_client_slows_the_provider(gateway_for):
    """A client that does not read stops the provider instead of filling the gateway's memory."""
    sent = 0
    stuck = threading.Event()

    def script(connection, _request):
        nonlocal sent
        stream_head(connection)
        connection.settimeout(1)
        try:
            for _ in range(4096):
                send_chunk(connection, b": " + b"x" * 65532 + b"\n\n")
                sent += 65536
        except TimeoutError:
            stuck.set()
            reset(connection)

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", gateway.port))
            client.sendall(RAW_STREAM)
            assert stuck.wait(20)
        gateway.recorder.wait(1)

    assert sent < 32 * 1024 * 1024


def test_client_that_never_reads_is_dropped(gateway_for):
    """A client that stops reading for longer than the idle timeout is disconnected, and its call settled."""

    def script(connection, _request):
        stream_head(connection)
        while True:
            send_chunk(connection, DELTA * 500)

    with ScriptedProvider(script) as provider:
        top = "[relay]\nidle_timeout_s = 0.3\ndrain_max_bytes = 100000\n"
        with gateway_for(provider, top=top) as gateway, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", gateway.port))
            client.sendall(RAW_STREAM)
            row = gateway.recorder.wait(1)[0]

    assert (row.outcome, row.usage_status) == (Outcome.HANGUP, UsageStatus.ESTIMATED)
    assert any("stopped reading" in decision for decision in row.decisions)


def test_many_calls_at_once(gateway_for):
    """Every concurrent call gets its own answer and its own row."""

    def script(connection, request):
        marker = json.loads(request.body)["user"]
        answer(json.dumps({"id": marker, "model": "gpt-4o-mini", "usage": USAGE}).encode())(connection, request)

    results = {}

    def call(number, port):
        body = json.dumps({"model": "gpt-4o-mini", "messages": [], "user": f"u{number}"}).encode()
        with RawClient(port) as client:
            for _ in range(3):
                client.request("/v1/chat/completions", body, **AUTH)
                results.setdefault(number, set()).add(json.loads(client.answer().body)["id"])

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        threads = [threading.Thread(target=call, args=(number, gateway.port)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rows = gateway.recorder.wait(120)

    assert {number: {f"u{number}"} for number in range(40)} == results
    assert {(f"u{number}", f"u{number}") for number in range(40)} == {
        (dict(row.facts.tags)["user"], row.response_id) for row in rows
    }
    assert len({row.facts.call_id for row in rows}) == 120


def test_background_response_is_billed_once(gateway_for):
    """A background response that is polled again and again has one row that bills, whatever the polls' own rows."""
    done = {"id": "resp_1", "object": "response", "status": "completed", "background": True, "model": "gpt-4o-mini"}
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    script = answer(json.dumps(done | {"usage": usage}).encode())
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        for _ in range(2):
            client.request("/v1/responses/resp_1", b"", method="GET", **AUTH)
            got = client.answer()
        rows = gateway.recorder.wait(4)

    billing = [row for row in rows if row.cost]
    assert 1 == len({(row.facts.call_id, row.facts.attempt) for row in billing})
    assert [(2, 210_000_000, "resp_1")] * 2 == [(row.facts.attempt, row.cost, row.response_id) for row in billing]
    assert [UsageStatus.NONE] * 2 == [row.usage_status for row in rows if not row.cost]
    assert "0.00" == got.headers["x-bursar-cost-usd"]
