"""Client connections: keep-alive, HTTP/1.0, pipelining, Expect, shutdown, and the console on the same port."""

import threading

from bursar.events import Outcome, UsageStatus
from support.provider import ScriptedProvider, answer, send_chunk, stream_head
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
CHAT = b'{"model":"gpt-4o-mini","messages":[]}'
ANSWER = b'{"id":"c","model":"gpt-4o-mini","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer vk-search\r\n"


def held(gateway):
    """How many segments the gateway keeps back."""
    return sum(len(connection._held) for connection in tuple(gateway.gateway.connections))


def test_keep_alive(gateway_for):
    """One client connection carries many calls over one provider connection."""
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            for _ in range(5):
                client.request("/v1/chat/completions", CHAT, **AUTH)
                assert ANSWER == client.answer().body

        assert 1 == provider.connections


def test_client_that_asks_to_close(gateway_for):
    """`Connection: close` is honoured."""
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", CHAT, connection="close", **AUTH)
            got = client.answer()
            closed = client.is_closed()

    assert (ANSWER, "close", True) == (got.body, got.headers["connection"], closed)


def test_http_1_0_stream(gateway_for):
    """An HTTP/1.0 client gets a stream without chunked framing, ended by closing."""

    def script(connection, _request):
        stream_head(connection)
        send_chunk(connection, b"data: [DONE]\n\n")
        send_chunk(connection, b"")

    body = b'{"model":"gpt-4o-mini","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", body, version="1.0", **AUTH)
        got = client.answer()

    assert b"data: [DONE]\n\n" == got.body
    assert "transfer-encoding" not in got.headers


def test_pipelined_requests_keep_their_order(gateway_for):
    """Requests sent ahead are answered one after another, in order."""
    gate = threading.Semaphore(0)

    def script(connection, request):
        assert gate.acquire(timeout=10)
        answer(ANSWER.replace(b'"c"', b'"%b"' % request.headers["x-n"].encode()))(connection, request)

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        for number in range(3):
            client.request("/v1/chat/completions", CHAT, x_n=str(number), **AUTH)
            gateway.until(lambda number=number: provider.received and held(gateway) == number)
        for _ in range(3):
            gate.release()
        ids = [client.answer().body[7:8] for _ in range(3)]

    assert [b"0", b"1", b"2"] == ids


def test_requests_in_one_segment(gateway_for):
    """A second request in the same segment is never answered out of turn: the connection closes after the first."""
    message = HEAD + b"content-length: %d\r\n\r\n" % len(CHAT) + CHAT
    with (
        ScriptedProvider(answer(ANSWER)) as provider,
        gateway_for(provider) as gateway,
        RawClient(gateway.port) as client,
    ):
        client.send(message + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        got = client.answer()
        closed = client.is_closed()

    assert (ANSWER, True) == (got.body, closed)


def test_expect_continue(gateway_for):
    """A client that waits to be asked is asked, and then answered."""
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.send(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(CHAT))
            invited = client.head().status
            client.send(CHAT)
            got = client.answer()

    assert (100, 200, ANSWER) == (invited, got.status, got.body)


def test_chunked_request(gateway_for):
    """A chunked request body reaches the provider whole, with its length."""
    with ScriptedProvider(answer(ANSWER)) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as client:
            client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            for part in (CHAT[:5], CHAT[5:]):
                client.send(b"%x\r\n%b\r\n" % (len(part), part))
            client.send(b"0\r\n\r\n")
            assert 200 == client.answer().status

    assert (CHAT, str(len(CHAT))) == (provider.received[0].body, provider.received[0].headers["content-length"])


def test_byte_by_byte_request(gateway_for):
    """How a request is cut into segments does not matter."""
    message = HEAD + b"content-length: %d\r\n\r\n" % len(CHAT) + CHAT
    with (
        ScriptedProvider(answer(ANSWER)) as provider,
        gateway_for(provider) as gateway,
        RawClient(gateway.port) as client,
    ):
        for index in range(len(message)):
            client.send(message[index : index + 1])

        assert ANSWER == client.answer().body


def test_calls_and_pages_share_a_connection(gateway_for):
    """Gateway routes and ordinary pages alternate on one connection."""
    with (
        ScriptedProvider(answer(ANSWER)) as provider,
        gateway_for(provider) as gateway,
        RawClient(gateway.port) as client,
    ):
        for _ in range(2):
            client.request("/healthz", b"", method="GET")
            assert (200, b"ok\n") == ((page := client.answer()).status, page.body)
            client.request("/v1/chat/completions", CHAT, **AUTH)
            assert ANSWER == client.answer().body


def test_metrics_count(gateway_for):
    """Outcomes and refusals are counted for Prometheus."""
    with (
        ScriptedProvider(answer(ANSWER)) as provider,
        gateway_for(provider) as gateway,
        RawClient(gateway.port) as client,
    ):
        client.request("/v1/chat/completions", CHAT, **AUTH)
        client.answer()
        client.request("/v1/files", b"", **AUTH)
        client.answer()
        client.request("/metrics", b"", method="GET")
        text = client.answer().body.decode()

    assert 'bursar_outcomes_total{outcome="success"} 1.0' in text
    assert 'bursar_refusals_total{code="route_not_metered"} 1.0' in text


def test_shutdown_lets_calls_finish(gateway_for):
    """While draining, calls in flight finish and new ones are refused with 503."""
    arrived, proceed = threading.Event(), threading.Event()

    def script(connection, request):
        arrived.set()
        assert proceed.wait(10)
        answer(ANSWER)(connection, request)

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        with RawClient(gateway.port) as first, RawClient(gateway.port) as second:
            first.request("/v1/chat/completions", CHAT, **AUTH)
            assert arrived.wait(10)
            drained = threading.Thread(target=gateway.call, args=(gateway.gateway.drain, 10))
            drained.start()
            gateway.until(lambda: gateway.gateway.is_draining)
            second.request("/v1/chat/completions", CHAT, **AUTH)
            refused = second.answer()
            second.close()
            proceed.set()
            got = first.answer()
            drained.join()

    assert (503, "1") == (refused.status, refused.headers["retry-after"])
    assert (ANSWER, "close") == (got.body, got.headers.get("connection", "close"))


def test_shutdown_cuts_what_is_late(gateway_for):
    """What does not finish in time is cut and recorded as cut, with an estimate of what was seen."""
    arrived, over = threading.Event(), threading.Event()

    def script(connection, _request):
        stream_head(connection)
        send_chunk(connection, b'data: {"choices":[{"delta":{"content":"12345678"}}]}\n\n')
        arrived.set()
        over.wait(20)

    body = b'{"model":"gpt-4o-mini","messages":[],"stream":true}'
    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway, RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", body, **AUTH)
        client.head()
        assert arrived.wait(10)
        client.chunk()
        cut = gateway.call(gateway.gateway.drain, 0.05)
        row = gateway.recorder.wait(1)[0]
        broken = client.chunk()
        over.set()

    assert (1, None) == (cut, broken)
    assert (Outcome.CUT, UsageStatus.ESTIMATED) == (row.outcome, row.usage_status)
