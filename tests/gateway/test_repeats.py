"""A head that repeats: taking it without the parser means exactly what parsing it would have meant."""

import asyncio
import re

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.clock import SystemClock
from bursar.config import parse_config
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.gateway.headers import Heading, RequestHead
from bursar.gateway.protocol import protocol_class
from bursar.gateway.repeats import RepeatedHead
from bursar.gateway.state import Gateway
from bursar.upstream import Exchange
from bursar.wiring.build import build_snapshot
from support.gateway import MemoryRecorder

CONFIG = """
[[providers]]
name = "openai"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key = "env:PROVIDER_KEY"
[[keys]]
name = "search-prod"
key = "env:VIRTUAL_KEY"
"""
HEADING = Heading("POST", "/v1/chat/completions", "", RequestHead(()), {})
CHAT = b'{"model":"gpt-4o-mini","messages":[]}'
ANSWER = b'{"id":"c","model":"gpt-4o-mini","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'


class Wire(asyncio.Transport):
    """A client's side of a connection that keeps what is written to it."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.is_closed = False

    def write(self, data):
        self.written.append(re.sub(rb"request-id: [0-9a-f-]+", b"request-id: -", data))

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    abort = close

    def can_write_eof(self):
        return False


class ReadyProvider:
    """An upstream client that answers at once and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def send(self, request, handler):
        self.asked.append((request.method, request.target, request.headers.pairs, request.body))
        handler.on_sent()
        handler.on_head(200, [(b"content-type", b"application/json")])
        handler.on_body(ANSWER)
        handler.on_complete()
        return Exchange(request, handler)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """What calls depend on, built once."""
    return build_snapshot(
        parse_config(CONFIG, source="test"),
        data_dir=tmp_path_factory.mktemp("data"),
        environ={"PROVIDER_KEY": "sk-provider", "VIRTUAL_KEY": "vk-search"},
        clock=SystemClock(),
        simulator_url=None,
    )


def told(snapshot, reads, *, repeats=True):
    """What a provider is asked, the client is told and the spool records when a connection brings these reads."""

    async def run():
        recorder, provider, wire = MemoryRecorder(), ReadyProvider(), Wire()
        gateway = Gateway(
            worker="w1-test",
            snapshot=snapshot,
            recorder=recorder,
            client=provider,
            counters=MemoryCounters(MemoryBook(lease_us=1_000_000), "w1-test"),
            clock=SystemClock(),
            loop=asyncio.get_running_loop(),
        )
        config = uvicorn.Config(None, log_config=None, ws="none", lifespan="off")
        bound = protocol_class(gateway)
        if not repeats:
            bound = type("Forgetful", (bound,), {"_repeated": property(lambda _: None, lambda _, __: None)})
        protocol = bound(config, uvicorn.server.ServerState(), {})
        protocol.connection_made(wire)
        for data in reads:
            protocol.data_received(data)
        await asyncio.sleep(0)
        rows = [(row.outcome, row.error, row.request_bytes, row.facts.tags) for row in recorder.settled]
        return provider.asked, wire.written, wire.is_closed, rows

    return asyncio.run(run())


def request(body=CHAT, *, line=b"POST /v1/chat/completions HTTP/1.1", extra=(), length=None, end=b"\r\n"):
    """A request as bytes, its head as odd as asked."""
    length = b"content-length: %d" % len(body) if length is None else length
    fields = [line, b"host: x", b"authorization: Bearer vk-search", *extra, length]
    return end.join([*fields, b"", b""]) + body


BODIES = st.sampled_from([b"", CHAT, CHAT + b" " * 80, b"\r\n\r\n", b"a\r\n\r\nb", b"a\r\n\r\n\n\n\n\n\n"])
LINES = st.sampled_from(
    [
        b"POST /v1/chat/completions HTTP/1.1",
        b"POST /v1/embeddings?x=1 HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.0",
        b"\r\nPOST /v1/chat/completions HTTP/1.1",
        b"GET /v1/models HTTP/1.1",
    ]
)
EXTRAS = st.lists(
    st.sampled_from(
        [
            b"x-bursar-team: a",
            b"x-bursar-feature: b",
            b"Content-Length: 5",
            b"x-note: content-length: 7",
            b"connection: close",
            b"connection: upgrade",
            b"upgrade: h2c",
            b"expect: 100-continue",
            b"transfer-encoding: chunked",
            b"x: \xff",
            b" folded",
        ]
    ),
    max_size=2,
)
LENGTHS = st.sampled_from(
    [None, None, None, b"Content-Length:5", b"CONTENT-LENGTH: \t37 ", b"content-length: 00037", b"content-length: +5"]
)
REQUESTS = st.builds(
    request, BODIES, line=LINES, extra=EXTRAS, length=LENGTHS, end=st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
)


@given(data=st.data(), one=REQUESTS, other=REQUESTS, body=BODIES)
@settings(max_examples=300)
def test_repeating_means_the_same(snapshot, data, one, other, body):
    """With and without remembering heads, any reads lead to the same calls, answers and rows."""
    ordinary = request(body)
    reads = data.draw(st.lists(st.sampled_from([one, ordinary, other, one + other, one[:40], one[40:]]), max_size=6))

    assert told(snapshot, reads, repeats=False) == told(snapshot, reads)


def test_repeat_is_taken(snapshot):
    """A second request with the same head but for its length reaches the provider with its own body."""
    longer = CHAT + b" " * 100
    asked, written, _, _ = told(snapshot, [request(CHAT), request(longer), request(CHAT)])

    assert ([CHAT, longer, CHAT], 3) == ([body for *_, body in asked], len(written))


def test_head_that_is_remembered():
    """The same head with another length gives the other body."""
    known = RepeatedHead.of(request(CHAT), HEADING)

    assert (HEADING, b"{}") == (known.heading, known.body_of(request(b"{}")))


@pytest.mark.parametrize(
    "data",
    [
        request(CHAT)[:-1],
        request(CHAT) + b"GET",
        request(CHAT, extra=(b"x-bursar-team: other",)),
        request(CHAT, line=b"POST /v1/embeddings HTTP/1.1"),
        request(b"", length=b"content-length: -0"),
        request(b"", length=b"content-length: "),
        request(b"", length=b"content-length: 0" + b"0" * 40),
    ],
)
def test_other_bytes(data):
    """Bytes that are not exactly one request with this head are left to the parser."""
    assert RepeatedHead.of(request(CHAT), HEADING).body_of(data) is None


@pytest.mark.parametrize(
    "data",
    [
        request(CHAT) + b"GET",
        request(CHAT, end=b"\n"),
        request(b"a\r\n\r\n" + b"\n" * 5, end=b"\n", length=b"content-length: 5"),
        request(CHAT, extra=(b"content-length: 37",)),
        request(CHAT, length=b"x: y"),
        b"\r\n\r\n" + request(CHAT),
    ],
)
def test_head_in_doubt(data):
    """A head whose end or length could be read in two ways is not remembered."""
    assert RepeatedHead.of(data, HEADING) is None
