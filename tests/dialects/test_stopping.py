"""Ending a stream that is not read to its end."""

import json

import pytest

from bursar.dialects.base import Tap
from bursar.dialects.bedrock import Bedrock
from bursar.dialects.registry import dialect_for
from support.awsstream import event
from support.recorded import FOLDERS, Exchange, exchanges
from support.stopping import stopped_after
from support.taps import run

CLEAN = frozenset({"chat.completions", "completions", "responses", "messages", "generate_content", "converse"})


def tap_of(exchange: Exchange) -> Tap:
    """The tap of a recorded answer."""
    kind = exchange.recording.response_headers.get("content-type", "")
    return dialect_for(exchange.dialect).tap(
        exchange.endpoint, exchange.request, status=200, content_type=kind, headers={}
    )


def streams(folder: str):
    """Recorded streams that reached their end."""
    for exchange in exchanges(folder):
        is_stream = "stream" in exchange.recording.response_headers.get("content-type", "")
        if is_stream and exchange.endpoint.operation in CLEAN and not exchange.reading().error:
            yield exchange


@pytest.mark.parametrize("size", [37, 1000])
@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_recorded_streams(folder, size):
    """Stopped anywhere, a recorded stream is whole events of the provider's and an ending that completes it."""
    for exchange in streams(folder):
        body = exchange.recording.response_body
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        through, _ = run(tap_of(exchange), [body])
        for share in (0.3, 0.5, 0.8, 1):
            sent, ending = stopped_after(tap_of(exchange), pieces, max(1, int(len(pieces) * share)))
            _, reading = run(tap_of(exchange), [sent + ending])

            assert through.startswith(sent), exchange.name
            assert reading.complete or b"messageStop" in sent + ending, (exchange.name, share, ending)
            assert tap_of(exchange).stop() is not None


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_looking_changes_nothing(folder):
    """A stream that is looked at after every piece is forwarded and read as one that is not."""
    for exchange in streams(folder):
        body = exchange.recording.response_body
        alone, looked_at = tap_of(exchange), tap_of(exchange)
        sent = b""
        for start in range(0, len(body), 509):
            sent += looked_at.feed(body[start : start + 509])
            looked_at.seen()

        assert run(alone, [body]) == (sent + looked_at.flush(), looked_at.finish(complete=True)), exchange.name


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_finished_streams(folder):
    """A stream that has ended by itself gets no second ending."""
    for exchange in streams(folder):
        tap = tap_of(exchange)
        tap.feed(exchange.recording.response_body)

        assert tap.stop() == b"", exchange.name


def test_inside_an_event():
    """Inside an event there is no ending yet; what is fed next is let through to the event's end and no further."""
    dialect = dialect_for("anthropic")
    endpoint = dialect.match("POST", "/v1/messages")
    request = dialect.read(endpoint, "application/json", b'{"model":"m","stream":true}')
    tap = dialect.tap(endpoint, request, status=200, content_type="text/event-stream", headers={})
    tap.feed(b'data: {"type":"message_start","message":{"id":"m1"}}\n\ndata: {"type":"pi')
    before = tap.stop()
    rest = tap.feed(b'ng"}\n\ndata: {"type":"ping"}\n\n')

    assert before is None
    assert rest == b'ng"}\n\n'
    assert tap.stop().startswith(b"event: message_delta\n")
    assert tap.feed(b"more") == b""


@pytest.mark.parametrize(("path", "said"), [("/chat/completions", "delta"), ("/completions", "text")])
def test_choices_finish_once(path, said):
    """Of several answers only those are finished that the provider has not finished itself."""
    dialect = dialect_for("openai")
    endpoint = dialect.match("POST", path)
    body = b'{"model":"m","stream":true,"n":3,"stream_options":{"include_usage":true}}'
    request = dialect.read(endpoint, "application/json", body)
    tap = dialect.tap(endpoint, request, status=200, content_type="text/event-stream", headers={})
    tap.feed(b'data: {"id":"c","choices":[{"index":1,"finish_reason":"stop"}]}\n\n')
    chunk, done = tap.stop().removesuffix(b"\n\n").split(b"\n\n")
    choices = json.loads(chunk.removeprefix(b"data: "))["choices"]

    assert [(0, "length"), (2, "length")] == [(choice["index"], choice["finish_reason"]) for choice in choices]
    assert all(said in choice for choice in choices)
    assert done == b"data: [DONE]"


def test_array_of_chunks():
    """A streamed array gets its last member and its closing bracket, whatever stood at the point of the stop."""
    dialect = dialect_for("gemini")
    endpoint = dialect.match("POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent")
    request = dialect.read(endpoint, "application/json", b"{}")
    member = b'{"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}'
    for sent in (b"[", b"[" + member, b"[" + member + b"\n,\n", b"[" + member + b",\n" + member):
        tap = dialect.tap(endpoint, request, status=200, content_type="application/json", headers={})
        tap.feed(sent)
        members = dialect_for("gemini").tap(endpoint, request, status=200, content_type="application/json", headers={})
        _, reading = run(members, [sent + tap.stop()])

        assert reading.complete


def test_bedrock_tool_block():
    """A tool's block that has begun is closed, even before its first delta."""
    dialect = Bedrock()
    endpoint = dialect.match("POST", "/model/amazon.nova-pro-v1:0/converse-stream")
    request = dialect.read(endpoint, "application/json", b"{}")
    tap = dialect.tap(endpoint, request, status=200, content_type="application/vnd.amazon.eventstream", headers={})
    tap.feed(event("messageStart", {"role": "assistant"}))
    tap.feed(event("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"name": "f"}}}))

    assert b'{"contentBlockIndex":3}' in tap.stop()


def test_bodies_have_no_ending():
    """An unstreamed answer has nothing to add."""
    dialect = dialect_for("openai")
    endpoint = dialect.match("POST", "/chat/completions")
    request = dialect.read(endpoint, "application/json", b"{}")
    tap = dialect.tap(endpoint, request, status=200, content_type="application/json", headers={})
    tap.feed(b'{"id":')

    assert tap.stop() == b""
