"""The Anthropic dialect: recorded traffic, the rules of its usage object, and hostile input."""

import json
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.anthropic import Anthropic
from bursar.dialects.base import Endpoint, Reading, Request, Tap
from bursar.dialects.reach import Reach
from bursar.errors import REFUSALS, Refusal
from bursar.events import Part, UsageStatus
from bursar.usage import Meter, Usage, usage_of
from support.feeding import splits, watch
from support.loopback import answering
from support.wire import Recording, recordings

DIALECT = Anthropic()
MESSAGES = Endpoint("anthropic", "messages", "/v1/messages")
STREAM_TYPE = "text/event-stream; charset=utf-8"
ASKED = b'{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"12345678"}]}'


def recorded() -> Iterator[Recording]:
    for recording in [*recordings("anthropic"), *recordings("anthropic_streams")]:
        if recording.url == "" or "api.anthropic.com" in recording.url:
            yield recording


def endpoint_of(recording: Recording) -> Endpoint:
    endpoint = DIALECT.match(recording.method, urlsplit(recording.url).path or "/v1/messages")
    assert endpoint is not None
    return endpoint


def tap_of(recording: Recording) -> Tap:
    endpoint = endpoint_of(recording)
    request = DIALECT.read(endpoint, "application/json", recording.request_body or ASKED)
    return DIALECT.tap(
        endpoint,
        request,
        status=recording.status,
        content_type=recording.response_headers["content-type"],
        headers=recording.response_headers,
    )


def last_usage(recording: Recording) -> dict[str, object]:
    """The provider's final usage, found without the code under test."""
    if not recording.response_body.startswith(b"event:"):
        return json.loads(recording.response_body)["usage"]
    merged: dict[str, object] = {}
    for line in recording.response_body.decode().splitlines():
        if line.startswith("data:"):
            event = json.loads(line[5:])
            merged |= event.get("message", {}).get("usage", {}) | event.get("usage", {})
    return merged


def billed_tokens(usage: dict[str, object]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    extra = [one for one in usage.get("iterations") or () if one["type"] in {"compaction", "advisor_message"}]
    return sum(part.get(name) or 0 for part in (usage, *extra) for name in names)


def ask(body: bytes) -> Request:
    return DIALECT.read(MESSAGES, "application/json", body)


def stream(*events: dict[str, object]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), json.dumps(e).encode()) for e in events)


def reading_of(body: bytes, *, content_type: str = STREAM_TYPE, status: int = 200, complete: bool = True) -> Reading:
    tap = DIALECT.tap(MESSAGES, ask(ASKED), status=status, content_type=content_type, headers={})
    return watch(tap, [body], complete=complete)[1]


def answer(**usage: object) -> bytes:
    return json.dumps({"id": "msg_1", "type": "message", "model": "claude-sonnet-5", "usage": usage}).encode()


START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-sonnet-5", "usage": {"input_tokens": 25, "output_tokens": 1}},
}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "0123456789abcdef"}}
STOP = {"type": "message_stop"}


def test_recorded_bytes_pass() -> None:
    """Every recorded answer reaches the client unchanged and reads the same however it is cut."""
    for recording in recorded():
        expected = watch(tap_of(recording), [recording.response_body])
        for chunks in splits(recording.response_body):
            assert expected == watch(tap_of(recording), chunks), recording.name
        assert recording.response_body == expected[0]


def test_recorded_meters() -> None:
    """The meters of every recorded answer add up to the tokens Anthropic billed; refusals before output are free."""
    billed = 0
    for recording in recorded():
        if recording.status != 200 or endpoint_of(recording).operation != "messages":
            continue
        reading = watch(tap_of(recording), [recording.response_body])[1]
        if reading.status is UsageStatus.NONE:
            assert recording.name == "refusal_response"
            continue
        usage = last_usage(recording)
        assert reading.usage is not None
        assert billed_tokens(usage) == reading.usage.input_tokens + reading.usage.output_tokens, recording.name
        assert UsageStatus.REPORTED is reading.status, recording.name
        assert reading.complete
        assert usage == json.loads(reading.raw_usage or "")
        billed += 1

    assert billed > 50


def test_advisor_part() -> None:
    """Each model that took part is metered by itself, and the parts add up to the whole."""
    recording = next(one for one in recorded() if one.name == "test_anthropic_advisor_tool_message_replay#0")

    reading = watch(tap_of(recording), [recording.response_body])[1]

    own = usage_of({Meter.INPUT_TEXT: 2417, Meter.OUTPUT_TEXT: 78, Meter.OUTPUT_REASONING: 55})
    advisor = usage_of({Meter.INPUT_TEXT: 2529, Meter.OUTPUT_TEXT: 38})
    assert (Part("claude-sonnet-5", own), Part("claude-opus-4-8", advisor)) == reading.parts
    assert own + advisor == reading.usage


def iteration(kind: str, given: int, made: int, model: str | None = None) -> dict[str, object]:
    named = {"model": model} if model else {}
    return {"type": kind, "input_tokens": given, "output_tokens": made, **named}


def test_fallback_declined_before_output() -> None:
    """A model that declined before any output is not billed; the one that answered is."""
    attempts = [
        iteration("message", 408, 0, "claude-fable-5"),
        iteration("fallback_message", 412, 264, "claude-sonnet-5"),
    ]

    reading = reading_of(
        answer(input_tokens=412, output_tokens=264, iterations=attempts), content_type="application/json"
    )

    assert usage_of({Meter.INPUT_TEXT: 412, Meter.OUTPUT_TEXT: 264}) == reading.usage
    assert UsageStatus.REPORTED is reading.status
    assert reading.parts == ()
    assert reading.notes == ("the attempt by claude-fable-5 declined before any output: not billed",)


def test_fallback_declined_midway() -> None:
    """A model that declined after some output is billed for it, at its own price."""
    attempts = [
        iteration("message", 408, 20, "claude-fable-5"),
        iteration("fallback_message", 412, 264, "claude-sonnet-5"),
    ]

    reading = reading_of(
        answer(input_tokens=412, output_tokens=264, iterations=attempts), content_type="application/json"
    )

    declined = Part("claude-fable-5", usage_of({Meter.INPUT_TEXT: 408, Meter.OUTPUT_TEXT: 20}))
    served = Part("claude-sonnet-5", usage_of({Meter.INPUT_TEXT: 412, Meter.OUTPUT_TEXT: 264}))
    assert (served, declined) == reading.parts
    assert served.usage + declined.usage == reading.usage


def test_iterations_contradicting() -> None:
    """Iterations that do not add up to the totals make the reading inconsistent."""
    reading = reading_of(
        answer(input_tokens=10, output_tokens=5, iterations=[iteration("message", 9, 5)]),
        content_type="application/json",
    )

    assert UsageStatus.INCONSISTENT is reading.status
    assert usage_of({Meter.INPUT_TEXT: 10, Meter.OUTPUT_TEXT: 5}) == reading.usage


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}, {Meter.CACHE_WRITE_1H: 70}),
        ({"ephemeral_1h_input_tokens": 60}, {Meter.CACHE_WRITE_1H: 60}),
        (None, {}),
    ],
)
def test_cache_writes(split: object, expected: dict[Meter, int]) -> None:
    """Cache writes are split by time to live; what no split covers counts as five minutes."""
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 100}

    reading = reading_of(answer(**usage, cache_creation=split), content_type="application/json")

    rest = {Meter.CACHE_WRITE_5M: 100 - sum(expected.values())}
    tokens = {Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 2, Meter.CACHE_READ: 3}
    assert usage_of(tokens | rest | expected) == reading.usage
    assert UsageStatus.REPORTED is reading.status


@pytest.mark.parametrize(
    "wrong",
    [
        {"output_tokens_details": {"thinking_tokens": 6}},
        {"cache_creation_input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 4}},
        {"cache_read_input_tokens": "many"},
        {"server_tool_use": {"web_search_requests": -1}},
    ],
)
def test_contradictions(wrong: dict[str, object]) -> None:
    """Figures that contradict each other are flagged, kept raw, and never below zero."""
    usage = {"input_tokens": 10, "output_tokens": 5, **wrong}

    reading = reading_of(answer(**usage), content_type="application/json")

    assert reading.usage is not None
    assert UsageStatus.INCONSISTENT is reading.status
    assert usage == json.loads(reading.raw_usage or "")
    assert billed_tokens(usage | {"cache_read_input_tokens": 0}) == (
        reading.usage.input_tokens + reading.usage.output_tokens
    )


def test_server_tools() -> None:
    """Searches, fetches and code executions are counted beside the tokens."""
    uses = {"web_search_requests": 2, "web_fetch_requests": 3, "code_execution_requests": 4}

    reading = reading_of(answer(input_tokens=1, output_tokens=1, server_tool_use=uses), content_type="application/json")

    assert reading.usage is not None
    assert tuple(map(reading.usage.quantity, (Meter.SEARCHES, Meter.FETCHES, Meter.CODE_EXECUTIONS))) == (2, 3, 4)


def test_conditions() -> None:
    """Fast mode and a bound place of inference select another price; the ordinary values do not."""
    special = reading_of(
        answer(input_tokens=1, output_tokens=1, speed="fast", inference_geo="us", service_tier="priority"),
        content_type="application/json",
    )
    ordinary = reading_of(
        answer(input_tokens=1, output_tokens=1, speed="standard", inference_geo="global"),
        content_type="application/json",
    )

    assert special.conditions == (("speed", "fast"), ("inference_geo", "us"))
    assert special.service_tier == "priority"
    assert ordinary.conditions == ()


def test_stream_deltas_cumulative() -> None:
    """The last usage holds; earlier ones are never added to it."""
    delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 6}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}

    reading = reading_of(stream(START, TEXT, delta, last, STOP))

    assert usage_of({Meter.INPUT_TEXT: 25, Meter.OUTPUT_TEXT: 9}) == reading.usage
    assert UsageStatus.REPORTED is reading.status


def test_stream_broken_off() -> None:
    """A stream cut before its final usage keeps the exact input and estimates the output from the text seen."""
    reading = reading_of(stream(START, TEXT, TEXT), complete=False)

    assert usage_of({Meter.INPUT_TEXT: 25, Meter.OUTPUT_TEXT: 8}) == reading.usage
    assert UsageStatus.ESTIMATED is reading.status
    assert not reading.complete


def test_stream_null_fields() -> None:
    """A null in a later usage leaves the earlier figure standing."""
    last = {"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 9}}

    reading = reading_of(stream(START, last, STOP))

    assert usage_of({Meter.INPUT_TEXT: 25, Meter.OUTPUT_TEXT: 9}) == reading.usage


def test_stream_without_stop() -> None:
    """A stream that ends without its end marker is not complete, though its usage may be known."""
    last = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9}}

    reading = reading_of(stream(START, last))

    assert (reading.complete, reading.status) == (False, UsageStatus.REPORTED)


def test_body_broken_off() -> None:
    """An unstreamed answer that broke off is estimated from every byte that came."""
    reading = reading_of(answer(input_tokens=1)[:40], content_type="application/json", complete=False)

    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.status) == (10, UsageStatus.ESTIMATED)


def test_stream_error() -> None:
    """An error event names the error; what was produced before it stays billed."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    late, early = reading_of(stream(START, TEXT, error)), reading_of(stream(error))

    assert (late.error, late.status) == ("overloaded_error", UsageStatus.ESTIMATED)
    assert (early.error, early.status, early.usage) == ("overloaded_error", UsageStatus.NONE, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_usage_response", UsageStatus.ESTIMATED),
        ("malformed_usage_response", UsageStatus.ESTIMATED),
        ("bad_upstream_response", UsageStatus.MISSING),
        ("internal_server_error", UsageStatus.MISSING),
        ("bad_request", UsageStatus.NONE),
        ("unauthorized", UsageStatus.NONE),
    ],
)
def test_bad_answers(name: str, expected: UsageStatus) -> None:
    """A success without readable usage is estimated from its text or marked missing, never read as zero."""
    full = f"anthropic__llm-v1-chat__responses__{name}"
    body = next(one.response_body for one in recordings("bad_inputs") if one.name == full)

    reading = reading_of(body, content_type="application/json")

    assert expected is reading.status
    assert (expected is UsageStatus.ESTIMATED) == (reading.usage is not None)


def test_http_error() -> None:
    """A failed call is not billed, and its error type is kept."""
    named = reading_of(b'{"type":"error","error":{"type":"rate_limit_error"}}', status=429)
    page = reading_of(b"<html>Bad gateway</html>", status=502)

    assert (named.error, named.status) == ("rate_limit_error", UsageStatus.NONE)
    assert (page.error, page.status) == ("http_502", UsageStatus.NONE)


@pytest.mark.parametrize(
    ("method", "path", "operation", "billable"),
    [
        ("POST", "/v1/messages", "messages", True),
        ("POST", "/v1/messages/count_tokens", "messages.count_tokens", False),
        ("GET", "/v1/models", "models", False),
        ("GET", "/v1/models/claude-sonnet-5", "models", False),
    ],
)
def test_match(method: str, path: str, operation: str, *, billable: bool) -> None:
    """The metered routes."""
    endpoint = DIALECT.match(method, path)

    assert endpoint is not None
    assert (operation, path, billable) == (endpoint.operation, endpoint.upstream_path, endpoint.billable)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/files"),
        ("POST", "/v1/complete"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/a/b"),
        ("POST", "/v1//messages"),
    ],
)
def test_match_unmetered(method: str, path: str) -> None:
    """Everything else is refused."""
    assert DIALECT.match(method, path) is None


def test_read() -> None:
    """Policy learns the model, the stream, the cap, the user and the tier; the body is the very same object."""
    body = b'{"model":"m","stream":true,"max_tokens":9,"metadata":{"user_id":"u","n":1},"service_tier":"auto"}'

    request = ask(body)

    expected = Request(
        model="m",
        stream=True,
        body=body,
        max_output_tokens=9,
        user="u",
        metadata={"user_id": "u"},
        service_tier="auto",
        reach=Reach(added_input=64),
    )
    assert expected == request
    assert body is request.body


@pytest.mark.parametrize("extra", [b'"fallbacks":"default"', b'"tools":[{"type":"advisor_20260301"}]'])
def test_read_unbounded(extra: bytes) -> None:
    """A cap on one model's answer is no cap on what others produce beside it."""
    request = ask(b'{"model":"m","max_tokens":9,' + extra + b"}")

    assert request.max_output_tokens == 9
    assert request.reach.unbounded


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"model":7}', b'{"segassem":[]}', b"\xff"])
def test_read_refuses(body: bytes) -> None:
    """A body that is no messages request is refused."""
    with pytest.raises(Refusal) as refused:
        ask(body)

    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize("status", sorted({*REFUSALS.values(), 402, 429, 529}))
def test_error(status: int) -> None:
    """The official SDK raises an error of the right class that carries our message and request id."""
    headers, body = DIALECT.error(status=status, code="unpriced_model", message="no price for x", request_id="r-1")

    with (
        answering(status, headers, body) as url,
        anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as raised,
    ):
        client.messages.create(model="x", max_tokens=1, messages=[{"role": "user", "content": "hi"}])

    assert (status, "r-1") == (raised.value.status_code, raised.value.request_id)
    assert "no price for x" in str(raised.value)
    assert {"type": "error", "request_id": "r-1"}.items() <= dict(raised.value.body).items()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
USAGE_NAMES = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
    "server_tool_use",
    "iterations",
    "speed",
    "fallback_credit",
)
USAGES = st.dictionaries(st.sampled_from(USAGE_NAMES), JSON)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message_start", "message_delta", "content_block_delta", "error", "message_stop"])},
    optional={
        "message": JSON | st.fixed_dictionaries({"usage": USAGES}),
        "usage": USAGES,
        "delta": JSON,
        "error": JSON,
    },
)


def never_negative(usage: Usage | None) -> bool:
    return usage is None or all(quantity > 0 for _, quantity in usage.counts)


@given(events=st.lists(EVENTS, max_size=6), complete=st.booleans())
def test_stream_of_any_json(events: list[dict[str, object]], *, complete: bool) -> None:
    """No event of any shape raises, and nothing is ever metered below zero; a contradiction keeps the raw usage."""
    reading = reading_of(stream(*events), complete=complete)

    assert never_negative(reading.usage)
    assert reading.status is not UsageStatus.INCONSISTENT or reading.raw_usage


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5), st.sampled_from([STREAM_TYPE, "x/y"]))
def test_any_bytes(body: bytes, cuts: list[int], content_type: str) -> None:
    """Arbitrary bytes pass through unchanged and never raise."""
    places = [0, *sorted(cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(places)]
    tap = DIALECT.tap(MESSAGES, ask(ASKED), status=200, content_type=content_type, headers={})

    sent, reading = watch(tap, chunks)

    assert body[: places[-1]] == sent
    assert never_negative(reading.usage)


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_meters_add_up(given: int, read: int, five: int, hour: int, made: int) -> None:
    """Uncached input, cache reads, cache writes and output are disjoint and add up to the provider's figures."""
    usage = {
        "input_tokens": given,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": made,
    }

    reading = reading_of(answer(**usage), content_type="application/json")

    found = reading.usage or Usage()
    assert (given + read + five + hour, made) == (found.input_tokens, found.output_tokens)
