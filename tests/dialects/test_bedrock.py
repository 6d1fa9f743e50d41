"""The Bedrock dialect: recorded traffic, the shapes of model families, and hostile input."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.base import Endpoint, Reading, Request, Tap
from bursar.dialects.bedrock import Bedrock
from bursar.dialects.reach import Reach
from bursar.errors import REFUSALS, Refusal
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of
from support.awsstream import chunk, event, failure
from support.feeding import splits, watch
from support.hostile import JSON, chunked
from support.loopback import answering
from support.wire import Recording, recordings

DIALECT = Bedrock()
CONVERSE = "/model/us.amazon.nova-pro-v1%3A0/converse"
CONVERSE_STREAM = CONVERSE + "-stream"
INVOKE = "/model/us.amazon.nova-pro-v1%3A0/invoke"
INVOKE_STREAM = INVOKE + "-with-response-stream"
ASKED = b'{"messages":[{"role":"user","content":[{"text":"12345678"}]}]}'
CUT_SHORT = "test_bedrock_model_other_parameters#0"
"""A recording whose request body lacks its closing brace."""
METRICS = "amazon-bedrock-invocationMetrics"


def endpoint_at(path: str) -> Endpoint:
    endpoint = DIALECT.match("POST", path)
    assert endpoint is not None
    return endpoint


def recorded() -> Iterator[tuple[Recording, Endpoint]]:
    for recording in recordings("bedrock"):
        if "amazonaws.com" in recording.url:
            yield recording, endpoint_at(urlsplit(recording.url).path)


def tap_of(recording: Recording, endpoint: Endpoint) -> Tap:
    body = b"{}" if recording.name == CUT_SHORT else recording.request_body
    request = DIALECT.read(endpoint, "application/json", body)
    return DIALECT.tap(endpoint, request, status=recording.status, content_type="", headers=recording.response_headers)


def reported(recording: Recording, endpoint: Endpoint) -> Mapping[str, object]:
    """The answer, or the stream's metadata event, found without the code under test."""
    if not endpoint.path_stream:
        return json.loads(recording.response_body)
    buffer = EventStreamBuffer()
    buffer.add_data(recording.response_body)
    return json.loads([one.payload for one in buffer if one.headers[":event-type"] == "metadata"][-1])


def reading_of(body: bytes, *, path: str, complete: bool = True, asked: bytes = ASKED, **headers: str) -> Reading:
    return watch(tap_at(path, asked=asked, **headers), [body], complete=complete)[1]


def tap_at(path: str, *, status: int = 200, asked: bytes = ASKED, **headers: str) -> Tap:
    endpoint = endpoint_at(path)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = DIALECT.read(endpoint, "application/json", asked)
    return DIALECT.tap(endpoint, request, status=status, content_type="", headers=named)


def test_recorded_bytes_pass() -> None:
    """Every recorded answer reaches the client unchanged and reads the same however it is cut."""
    for recording, endpoint in recorded():
        expected = watch(tap_of(recording, endpoint), [recording.response_body])
        for chunks in splits(recording.response_body):
            assert expected == watch(tap_of(recording, endpoint), chunks), recording.name
        assert recording.response_body == expected[0]


def test_recorded_meters() -> None:
    """The meters of every recorded answer add up to Bedrock's total."""
    billed = 0
    for recording, endpoint in recorded():
        if recording.status != 200 or not endpoint.billable:
            continue
        reading = watch(tap_of(recording, endpoint), [recording.response_body])[1]
        answer = reported(recording, endpoint)
        assert reading.usage is not None
        assert answer["usage"]["totalTokens"] == reading.usage.input_tokens + reading.usage.output_tokens
        assert UsageStatus.REPORTED is reading.status, recording.name
        assert answer.get("serviceTier", {}).get("type") == reading.service_tier
        assert answer["usage"] == json.loads(reading.raw_usage or "")
        assert reading.complete
        billed += 1

    assert billed > 40


def test_public_stream() -> None:
    """A stream from another project's test data reads right."""
    recording = next(one for one in recordings("bad_inputs") if one.name.endswith("__aws__input"))

    reading = reading_of(recording.response_body, path=CONVERSE_STREAM)

    assert usage_of({Meter.INPUT_TEXT: 9, Meter.OUTPUT_TEXT: 97}) == reading.usage


def test_cache_writes() -> None:
    """Cache writes are split by time to live; what no detail covers counts as five minutes."""
    details = [{"ttl": "1h", "inputTokens": 60}, {"ttl": "5m", "inputTokens": 30}]
    usage = {
        "inputTokens": 1,
        "outputTokens": 2,
        "cacheReadInputTokens": 3,
        "cacheWriteInputTokens": 100,
        "cacheDetails": details,
        "totalTokens": 106,
    }

    reading = reading_of(json.dumps({"usage": usage}).encode(), path=CONVERSE)

    tokens = {Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 2, Meter.CACHE_READ: 3}
    assert usage_of(tokens | {Meter.CACHE_WRITE_5M: 40, Meter.CACHE_WRITE_1H: 60}) == reading.usage
    assert reading.notes == ("cache writes of unknown time to live taken for 5 minutes",)


@pytest.mark.parametrize(
    "usage",
    [
        {"inputTokens": 5, "outputTokens": 2, "totalTokens": 8},
        {"inputTokens": 5, "outputTokens": -2},
        {"inputTokens": 5, "cacheWriteInputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 2}]},
    ],
)
def test_contradictions(usage: dict[str, object]) -> None:
    """Figures that contradict each other are flagged and kept raw."""
    reading = reading_of(json.dumps({"usage": usage}).encode(), path=CONVERSE)

    assert UsageStatus.INCONSISTENT is reading.status
    assert usage == json.loads(reading.raw_usage or "")


def test_conditions() -> None:
    """The tier served, optimised latency and a routed model come from the answer."""
    arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-5-v1:0"
    answer = {
        "usage": {"inputTokens": 1, "outputTokens": 1},
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "optimized"},
        "trace": {"promptRouter": {"invokedModelId": arn}},
    }

    reading = reading_of(json.dumps(answer).encode(), path=CONVERSE, x_amzn_requestid="r-1")

    assert reading.service_tier == "flex"
    assert reading.conditions == (("latency", "optimized"),)
    assert reading.model == "anthropic.claude-sonnet-5-v1:0"
    assert reading.response_id == "r-1"


DELTA = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "0123456789abcdef"}, "p": "ab"})


def test_stream_broken_off() -> None:
    """A stream without its metadata is estimated from the text seen and asked."""
    reading = reading_of(DELTA + DELTA, path=CONVERSE_STREAM, complete=False)

    assert reading.usage is not None
    assert reading.usage.output_tokens == 8
    assert UsageStatus.ESTIMATED is reading.status
    assert not reading.complete


def test_stream_unfinished() -> None:
    """A stream that ends inside a message is not complete, even after its metadata."""
    metadata = event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}})

    whole, cut = (reading_of(body, path=CONVERSE_STREAM) for body in (metadata, metadata + DELTA[:-3]))

    assert (whole.complete, cut.complete) == (True, False)


@pytest.mark.parametrize("path", [CONVERSE, INVOKE])
def test_body_broken_off(path: str) -> None:
    """An unstreamed answer that broke off is estimated from every byte that came."""
    reading = reading_of(b'{"output":{"message":{"content":[{"text":"0', path=path, complete=False)

    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.status) == (11, UsageStatus.ESTIMATED)


def test_server_tools() -> None:
    """Server tools that Bedrock reports are not metered; the reading says so."""
    usage = {"inputTokens": 1, "outputTokens": 1, "serverToolUsage": {"webSearchRequests": 1}}

    reading = reading_of(json.dumps({"usage": usage}).encode(), path=CONVERSE)

    assert reading.notes == ("server tools were used and are not metered: {'webSearchRequests': 1}",)


def test_refusal() -> None:
    """Only Anthropic's own API is known not to bill a refusal before any output; on Bedrock it is billed."""
    refused = {"type": "message", "stop_reason": "refusal", "usage": {"input_tokens": 5, "output_tokens": 0}}

    reading = reading_of(json.dumps(refused).encode(), path=INVOKE)

    assert usage_of({Meter.INPUT_TEXT: 5}) == reading.usage


@pytest.mark.parametrize("first", [{"type": "message_start", "message": {}}, {"generation": ""}])
def test_invoke_stream_exception(first: dict[str, object]) -> None:
    """An exception inside a stream of any family is named."""
    reading = reading_of(chunk(first) + failure("throttlingException"), path=INVOKE_STREAM)

    assert reading.error == "throttlingException"


def test_stream_exception() -> None:
    """An exception inside a stream is named; what was produced before it stays billed."""
    late = reading_of(DELTA + failure("throttlingException"), path=CONVERSE_STREAM)
    early = reading_of(failure("modelStreamErrorException"), path=CONVERSE_STREAM)

    assert (late.error, late.status) == ("throttlingException", UsageStatus.ESTIMATED)
    assert (early.error, early.status) == ("modelStreamErrorException", UsageStatus.NONE)


def test_stream_damaged() -> None:
    """A checksum that does not match stops the reading and is noted, the bytes pass on."""
    body = DELTA + DELTA[:-1] + b"\x00" + DELTA

    sent, reading = watch(tap_at(CONVERSE_STREAM), [body])

    assert body == sent
    assert "a message's checksum does not match" in reading.notes
    assert UsageStatus.ESTIMATED is reading.status


SHAPES = [
    ({"usage": {"inputTokens": 5, "outputTokens": 3, "cacheReadInputTokenCount": 2, "totalTokens": 10}}, (5, 2, 3)),
    ({"prompt_token_count": 5, "generation_token_count": 3, "generation": "x"}, (5, 0, 3)),
    ({"inputTextTokenCount": 5, "results": [{"tokenCount": 1}, {"tokenCount": 2}]}, (5, 0, 3)),
    ({"inputTextTokenCount": 5, "embedding": [0.1]}, (5, 0, 0)),
    ({"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, "choices": []}, (5, 0, 3)),
    ({"usage": {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens": 3}}, (5, 2, 3)),
    ({"meta": {"billed_units": {"input_tokens": 5, "output_tokens": 3}}}, (5, 0, 3)),
    ({"type": "message", "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 3}}, (5, 2, 3)),
]


@pytest.mark.parametrize(("answer", "expected"), SHAPES)
def test_invoke(answer: dict[str, object], expected: tuple[int, int, int]) -> None:
    """Each family's own answer is read by its shape."""
    reading = reading_of(json.dumps(answer).encode(), path=INVOKE)

    given, read, made = expected
    assert usage_of({Meter.INPUT_TEXT: given, Meter.CACHE_READ: read, Meter.OUTPUT_TEXT: made}) == reading.usage
    assert UsageStatus.REPORTED is reading.status
    assert reading.model is None


def test_invoke_headers() -> None:
    """An answer without counts is metered from the response headers; tier and latency come from there too."""
    reading = reading_of(
        b'{"outputs":[{"text":"hello"}]}',
        path=INVOKE,
        x_amzn_bedrock_input_token_count="5",
        x_amzn_bedrock_output_token_count="3",
        x_amzn_bedrock_service_tier="priority",
        x_amzn_bedrock_performanceconfig_latency="optimized",
    )

    assert usage_of({Meter.INPUT_TEXT: 5, Meter.OUTPUT_TEXT: 3}) == reading.usage
    assert (reading.service_tier, reading.conditions) == ("priority", (("latency", "optimized"),))


def test_invoke_unknown() -> None:
    """An answer of no known shape and without headers is missing, never zero."""
    reading = reading_of(b'{"outputs":[{"text":"hello"}]}', path=INVOKE)

    assert (reading.usage, reading.status) == (None, UsageStatus.MISSING)


def test_invoke_images() -> None:
    """Drawn images, and an embedded one, are counted."""
    drawn = reading_of(b'{"images":["aaaa","bbbb"]}', path=INVOKE)
    embedded = reading_of(b'{"inputTextTokenCount":0,"embedding":[0.1]}', path=INVOKE, asked=b'{"inputImage":"aaaa"}')

    assert (usage_of({Meter.IMAGES: 2}), UsageStatus.REPORTED) == (drawn.usage, drawn.status)
    assert usage_of({Meter.IMAGES: 1}) == embedded.usage


CLAUDE = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "claude-sonnet-5", "usage": {"input_tokens": 25, "output_tokens": 1}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "0123456789abcdef"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}},
    {"type": "message_stop", METRICS: {"inputTokenCount": 25, "outputTokenCount": 6}},
]


def test_invoke_stream_claude() -> None:
    """Claude's own events inside a stream are read, however the stream is cut; Bedrock's model id stands."""
    body = b"".join(map(chunk, CLAUDE))

    for chunks in splits(body):
        sent, reading = watch(tap_at(INVOKE_STREAM), chunks)

        assert body == sent
        assert usage_of({Meter.INPUT_TEXT: 25, Meter.OUTPUT_TEXT: 6}) == reading.usage
        assert (reading.status, reading.model, reading.complete) == (UsageStatus.REPORTED, None, True)


def test_invoke_stream_claude_metrics() -> None:
    """Where Claude's final usage is missing, Bedrock's metrics stand in for it."""
    reading = reading_of(chunk(CLAUDE[0]) + chunk(CLAUDE[3]), path=INVOKE_STREAM)

    assert usage_of({Meter.INPUT_TEXT: 25, Meter.OUTPUT_TEXT: 6}) == reading.usage
    assert UsageStatus.REPORTED is reading.status


@pytest.mark.parametrize(
    "pieces",
    [
        [{"generation": "hello"}, {"generation": "", METRICS: {"inputTokenCount": 5, "outputTokenCount": 3}}],
        [{"outputText": "hello", METRICS: {"inputTokenCount": 5, "outputTokenCount": 3}}],
        [
            {"contentBlockDelta": {"delta": {"text": "hello"}}},
            {
                "metadata": {"usage": {"inputTokens": 5, "outputTokens": 3}},
                METRICS: {"inputTokenCount": 9, "outputTokenCount": 9},
            },
        ],
    ],
)
def test_invoke_stream(pieces: list[dict[str, object]]) -> None:
    """Other families are metered from their last chunk."""
    reading = reading_of(b"".join(map(chunk, pieces)), path=INVOKE_STREAM)

    assert usage_of({Meter.INPUT_TEXT: 5, Meter.OUTPUT_TEXT: 3}) == reading.usage
    assert (reading.status, reading.complete) == (UsageStatus.REPORTED, True)


@pytest.mark.parametrize(
    "piece",
    [
        {"generation": "0123456789abcdef"},
        {"outputText": "0123456789abcdef"},
        {"outputs": [{"text": "0123456789abcdef"}]},
        {"choices": [{"delta": {"content": "0123456789abcdef"}}]},
        {"text": "0123456789abcdef"},
        {"contentBlockDelta": {"delta": {"text": "0123456789abcdef"}}},
    ],
)
def test_invoke_stream_broken_off(piece: dict[str, object]) -> None:
    """A stream without its metrics is estimated from the text seen, whatever the family."""
    reading = reading_of(chunk(piece) + chunk(piece), path=INVOKE_STREAM, complete=False)

    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.status) == (8, UsageStatus.ESTIMATED)


@pytest.mark.parametrize(
    ("path", "operation", "model", "billable", "streams"),
    [
        (CONVERSE, "converse", "us.amazon.nova-pro-v1:0", True, False),
        (CONVERSE_STREAM, "converse", "us.amazon.nova-pro-v1:0", True, True),
        (INVOKE, "invoke_model", "us.amazon.nova-pro-v1:0", True, False),
        (INVOKE_STREAM, "invoke_model", "us.amazon.nova-pro-v1:0", True, True),
        ("/model/meta.llama3:0/count-tokens", "count_tokens", "meta.llama3:0", False, False),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Feu.meta.llama3%3A0/converse",
            "converse",
            "eu.meta.llama3:0",
            True,
            False,
        ),
        (
            "/model/arn:aws:bedrock:us-east-1:1:application-inference-profile/abc/converse",
            "converse",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            True,
            False,
        ),
    ],
)
def test_match(path: str, operation: str, model: str, *, billable: bool, streams: bool) -> None:
    """The metered routes; the model is decoded, the path stays as it arrived."""
    expected = Endpoint("bedrock", operation, path, billable=billable, path_model=model, path_stream=streams)

    assert expected == DIALECT.match("POST", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CONVERSE),
        ("POST", "/model/m/invoke-with-bidirectional-stream"),
        ("POST", "/model/m/converse/"),
        ("POST", "/model//converse"),
        ("POST", "/model/../async-invoke/converse"),
        ("POST", "/model/a%2F..%2Fb/converse"),
        ("POST", "/model/a%253A0/converse"),
        ("POST", "/model/a%00/converse"),
        ("POST", "/async-invoke"),
        ("POST", "/guardrail/g/version/1/apply"),
    ],
)
def test_match_unmetered(method: str, path: str) -> None:
    """Everything else is refused."""
    assert DIALECT.match(method, path) is None


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (CONVERSE, {"inferenceConfig": {"maxTokens": 7}}, 7),
        (INVOKE, {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 7}, 7),
        (INVOKE, {"inferenceConfig": {"max_new_tokens": 7}}, 7),
        (INVOKE, {"textGenerationConfig": {"maxTokenCount": 7}}, 7),
        (INVOKE, {"max_gen_len": 7}, 7),
        (INVOKE, {"max_tokens": 7, "n": 2}, 14),
        (INVOKE, {"inputText": "x"}, None),
    ],
)
def test_read_cap(path: str, body: dict[str, object], expected: int | None) -> None:
    """The output cap is found in every family's body."""
    request = DIALECT.read(endpoint_at(path), "application/json", json.dumps(body).encode())

    assert expected == request.max_output_tokens


def test_read() -> None:
    """The path names model and stream, the body metadata and tier; the body is the very same object."""
    body = b'{"messages":[],"requestMetadata":{"team":"search"},"serviceTier":{"type":"flex"}}'

    request = DIALECT.read(endpoint_at(CONVERSE_STREAM), "application/json", body)

    expected = Request(
        model="us.amazon.nova-pro-v1:0",
        stream=True,
        body=body,
        metadata={"team": "search"},
        service_tier="flex",
        reach=Reach(added_input=640),
    )
    assert expected == request
    assert body is request.body


@pytest.mark.parametrize("path", [CONVERSE, INVOKE])
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_read_refuses(path: str, body: bytes) -> None:
    """A body that is no JSON object is refused."""
    with pytest.raises(Refusal) as refused:
        DIALECT.read(endpoint_at(path), "application/json", body)

    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{}", {"x_amzn_errortype": "ValidationException:http://internal.amazon.com/"}, "ValidationException"),
        (b'{"__type":"com.amazon#ThrottlingException"}', {}, "ThrottlingException"),
        (b"<html>", {}, "http_400"),
    ],
)
def test_http_error(body: bytes, headers: dict[str, str], expected: str) -> None:
    """A failed call is not billed, and its error type is kept."""
    reading = watch(tap_at(CONVERSE, status=400, **headers), [body])[1]

    assert (expected, UsageStatus.NONE) == (reading.error, reading.status)


@pytest.mark.parametrize("status", sorted({*REFUSALS.values(), 402, 429}))
def test_error(status: int) -> None:
    """The official SDK raises a modelled exception that carries our message."""
    headers, body = DIALECT.error(status=status, code="unpriced_model", message="no price for x", request_id="r-1")

    with answering(status, headers, body) as url:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(ClientError) as raised:
            client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])
        client.close()

    assert getattr(client.exceptions, raised.value.response["Error"]["Code"]) is type(raised.value)
    assert raised.value.response["Error"]["Message"] == "no price for x"
    assert raised.value.response["ResponseMetadata"]["RequestId"] == "r-1"


COUNTS = st.integers(0, 10**6)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_meters_add_up(given_tokens: int, made: int, read: int, written: int) -> None:
    """Uncached input, cache reads, cache writes and output add up to the total."""
    usage = {
        "inputTokens": given_tokens,
        "outputTokens": made,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
        "totalTokens": given_tokens + made + read + written,
    }

    reading = reading_of(json.dumps({"usage": usage}).encode(), path=CONVERSE)

    found = reading.usage or Usage()
    assert (given_tokens + read + written, made) == (found.input_tokens, found.output_tokens)
    assert UsageStatus.REPORTED is reading.status


ANSWER_NAMES = (
    "usage",
    "type",
    "metadata",
    "meta",
    "prompt_token_count",
    "inputTextTokenCount",
    "results",
    "images",
    "outputs",
    "choices",
    "contentBlockDelta",
    "delta",
    "trace",
    "serviceTier",
    METRICS,
)
USAGES = st.dictionaries(
    st.sampled_from(["inputTokens", "outputTokens", "prompt_tokens", "cacheDetails", "totalTokens"]), JSON
)
ANSWERS = st.dictionaries(st.sampled_from(ANSWER_NAMES), JSON | USAGES)


@given(answers=st.lists(ANSWERS, max_size=3), names=st.sampled_from(["chunk", "metadata", "contentBlockDelta"]))
def test_any_json(answers: list[object], names: str) -> None:
    """No answer of any shape raises, and nothing is ever metered below zero."""
    first = json.dumps((answers or [{}])[0]).encode()
    events = b"".join(map(chunk, answers)) if names == "chunk" else b"".join(event(names, one) for one in answers)

    for path in (CONVERSE, CONVERSE_STREAM, INVOKE, INVOKE_STREAM):
        reading = reading_of(events if "stream" in path else first, path=path)

        assert all(quantity > 0 for _, quantity in reading.usage.counts) if reading.usage else True


@given(chunked(), st.sampled_from([CONVERSE, CONVERSE_STREAM, INVOKE, INVOKE_STREAM]))
def test_any_bytes(chunks: list[bytes], path: str) -> None:
    """Arbitrary bytes pass through unchanged, never raise, and read the same when they come at once."""
    whole = b"".join(chunks)

    assert watch(tap_at(path), [whole]) == watch(tap_at(path), chunks)
    assert whole == watch(tap_at(path), chunks)[0]
