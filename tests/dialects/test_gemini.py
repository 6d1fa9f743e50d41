"""The Gemini dialect: recorded traffic, the rules of its usage metadata, and hostile input."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.base import Endpoint, Reading, Request, Tap
from bursar.dialects.gemini import Gemini
from bursar.dialects.reach import Reach
from bursar.errors import REFUSALS, Refusal
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of
from support.feeding import splits, watch
from support.hostile import JSON, chunked
from support.loopback import answering
from support.wire import Recording, recordings

DIALECT = Gemini()
GENERATE = "/v1beta/models/gemini-3-flash:generateContent"
STREAM = "/v1beta/models/gemini-3-flash:streamGenerateContent"
EMBED = "/v1beta/models/gemini-embedding-001:embedContent"
ASKED = b'{"contents":[{"parts":[{"text":"12345678"}]}]}'
EVENTS = "text/event-stream"
JSON_TYPE = "application/json; charset=UTF-8"


def endpoint_at(path: str, method: str = "POST") -> Endpoint:
    endpoint = DIALECT.match(method, path)
    assert endpoint is not None
    return endpoint


def recorded() -> Iterator[tuple[Recording, Endpoint]]:
    for recording in recordings("google"):
        url = urlsplit(recording.url)
        endpoint = DIALECT.match(recording.method, url.path) if "googleapis.com" in recording.url else None
        if endpoint is not None:
            yield recording, endpoint


def tap_of(recording: Recording, endpoint: Endpoint) -> Tap:
    request = DIALECT.read(endpoint, "application/json", recording.request_body)
    content_type = recording.response_headers["content-type"]
    return DIALECT.tap(
        endpoint,
        request,
        status=recording.status,
        content_type=content_type,
        headers=recording.response_headers,
    )


def last_answer(recording: Recording) -> dict[str, object]:
    body = recording.response_body.decode()
    if body.startswith("data:"):
        body = [line for line in body.splitlines() if line.startswith("data:")][-1][5:]
    return json.loads(body)


def reading_of(body: bytes, *, path: str = GENERATE, content_type: str = JSON_TYPE, complete: bool = True) -> Reading:
    return watch(tap_at(path, content_type), [body], complete=complete)[1]


def tap_at(path: str, content_type: str, status: int = 200) -> Tap:
    endpoint = endpoint_at(path)
    request = DIALECT.read(endpoint, "application/json", ASKED)
    return DIALECT.tap(endpoint, request, status=status, content_type=content_type, headers={})


def answer(usage: object = None, *, model: str = "gemini-3-flash", **candidate: object) -> bytes:
    finished = {"content": {"parts": [{"text": "0123456789abcdef"}]}, "finishReason": "STOP", **candidate}
    counted = {} if usage is None else {"usageMetadata": usage}
    return json.dumps({"candidates": [finished], "modelVersion": model, "responseId": "r", **counted}).encode()


def counted(modality: str, tokens: int) -> dict[str, object]:
    return {"modality": modality, "tokenCount": tokens}


def test_recorded_bytes_pass() -> None:
    """Every recorded answer reaches the client unchanged and reads the same however it is cut."""
    for recording, endpoint in recorded():
        expected = watch(tap_of(recording, endpoint), [recording.response_body])
        for chunks in splits(recording.response_body):
            assert expected == watch(tap_of(recording, endpoint), chunks), recording.name
        assert recording.response_body == expected[0]


def test_recorded_meters() -> None:
    """The meters of every recorded answer add up to Google's total."""
    billed = 0
    for recording, endpoint in recorded():
        if not endpoint.billable:
            continue
        reading = watch(tap_of(recording, endpoint), [recording.response_body])[1]
        last = last_answer(recording)
        if "totalTokenCount" not in last["usageMetadata"]:
            assert recording.name == "test_google_model_armor_prompt_template_text_gets_blocked#1"
            assert UsageStatus.ESTIMATED is reading.status
            continue
        assert reading.usage is not None
        assert last["usageMetadata"]["totalTokenCount"] == reading.usage.input_tokens + reading.usage.output_tokens
        assert UsageStatus.REPORTED is reading.status, recording.name
        assert last["modelVersion"] == reading.model
        assert last["usageMetadata"] == json.loads(reading.raw_usage or "")
        billed += 1

    assert billed > 40


@pytest.mark.parametrize(
    "name", ["test_google_model_thinking_part_iter#0", "test_google_model_web_search_tool_stream#0"]
)
def test_array_stream(name: str) -> None:
    """A stream without ``alt=sse`` is one JSON array; it reads like the same stream of events, however it is cut."""
    recording, endpoint = next(found for found in recorded() if found[0].name == name)
    chunks = [line[6:] for line in recording.response_body.splitlines() if line.startswith(b"data: ")]
    body = b"[" + b"\n,\r\n".join(chunks) + b"\n]"
    expected = watch(tap_of(recording, endpoint), [recording.response_body])[1]

    for split in splits(body):
        tap = DIALECT.tap(
            endpoint,
            DIALECT.read(endpoint, "", recording.request_body),
            status=200,
            content_type=JSON_TYPE,
            headers={},
        )
        assert (body, expected) == watch(tap, split)


def test_modalities() -> None:
    """Prompt, cache and output are split by modality, each token in one meter; documents and unknowns are text."""
    usage = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 300,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 7,
        "toolUsePromptTokenCount": 9,
        "totalTokenCount": 1066,
        "promptTokensDetails": [
            counted("TEXT", 100),
            counted("DOCUMENT", 200),
            counted("AUDIO", 300),
            counted("VIDEO", 390),
        ],
        "cacheTokensDetails": [counted("AUDIO", 250), counted("TEXT", 50)],
        "candidatesTokensDetails": [counted("IMAGE", 40), counted("TEXT", 10)],
    }

    reading = reading_of(answer(usage))

    expected = {
        Meter.INPUT_TEXT: 100 + 200 + 10 - 50,
        Meter.INPUT_AUDIO: 50,
        Meter.INPUT_VIDEO: 390,
        Meter.CACHE_READ: 50,
        Meter.CACHE_READ_AUDIO: 250,
        Meter.TOOL_INPUT: 9,
        Meter.OUTPUT_TEXT: 10,
        Meter.OUTPUT_REASONING: 7,
        Meter.OUTPUT_IMAGE: 40,
    }
    assert usage_of(expected) == reading.usage
    assert UsageStatus.REPORTED is reading.status


@pytest.mark.parametrize(
    "wrong",
    [
        {"promptTokenCount": 10, "totalTokenCount": 11},
        {"promptTokenCount": 10, "cachedContentTokenCount": 11},
        {"promptTokenCount": 10, "promptTokensDetails": [counted("TEXT", 11)]},
        {"promptTokenCount": 10, "candidatesTokenCount": -1},
        {"promptTokenCount": 10, "candidatesTokenCount": "5"},
    ],
)
def test_contradictions(wrong: dict[str, object]) -> None:
    """Figures that contradict each other are flagged, kept raw, and never below zero."""
    reading = reading_of(answer(wrong))

    assert UsageStatus.INCONSISTENT is reading.status
    assert wrong == json.loads(reading.raw_usage or "")
    assert reading.usage is not None
    assert reading.usage.input_tokens == 10


def test_cache_modalities_unknown() -> None:
    """Cached tokens that the prompt's own split contradicts are taken from it text first; the sums hold."""
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 70,
        "totalTokenCount": 100,
        "promptTokensDetails": [counted("TEXT", 40), counted("AUDIO", 60)],
        "cacheTokensDetails": [counted("TEXT", 70)],
    }

    reading = reading_of(answer(usage))

    expected = {Meter.CACHE_READ: 40, Meter.CACHE_READ_AUDIO: 30, Meter.INPUT_AUDIO: 30}
    assert usage_of(expected) == reading.usage


def test_maps() -> None:
    """Grounding with Google Maps has a fee that is not metered; the reading says so."""
    reading = reading_of(answer({"promptTokenCount": 1}, groundingMetadata={"groundingChunks": [{"maps": {}}]}))

    assert reading.notes == ("grounded with Google Maps: its fee per prompt is not metered",)


def test_prompt_blocked() -> None:
    """A stream that ends because the prompt was blocked is complete."""
    body = b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":5}}\n\n'

    reading = reading_of(body, path=STREAM, content_type=EVENTS)

    assert (reading.complete, reading.status) == (True, UsageStatus.REPORTED)


def test_body_broken_off() -> None:
    """An unstreamed answer that broke off is estimated from every byte that came."""
    reading = reading_of(answer()[:40], complete=False)

    assert reading.usage is not None
    assert (reading.usage.output_tokens, reading.status) == (10, UsageStatus.ESTIMATED)


def test_tier_header() -> None:
    """Where the body names no tier, the response header does."""
    endpoint = endpoint_at(GENERATE)
    request = DIALECT.read(endpoint, JSON_TYPE, ASKED)
    headers = {"x-gemini-service-tier": "flex"}
    tap = DIALECT.tap(endpoint, request, status=200, content_type=JSON_TYPE, headers=headers)

    assert watch(tap, [answer({"promptTokenCount": 1})])[1].service_tier == "flex"


@pytest.mark.parametrize(
    ("model", "searches"), [("gemini-2.5-pro", 1), ("gemini-1.5-flash", 1), ("gemini-3-flash", 2), ("gemini-10-pro", 2)]
)
def test_searches(model: str, searches: int) -> None:
    """Grounding is charged per prompt up to generation 2 and per distinct query from generation 3 on."""
    grounding = {"webSearchQueries": ["a", "b", "a", ""]}

    reading = reading_of(answer({"promptTokenCount": 1}, model=model, groundingMetadata=grounding))

    assert reading.usage is not None
    assert searches == reading.usage.quantity(Meter.SEARCHES)


def test_no_search() -> None:
    """Grounding without queries, on files or fetched pages, is no search."""
    reading = reading_of(answer({"promptTokenCount": 1}, groundingMetadata={"groundingChunks": [{"web": {}}]}))

    assert usage_of({Meter.INPUT_TEXT: 1}) == reading.usage


@pytest.mark.parametrize(
    ("usage", "tier", "conditions"),
    [
        ({"serviceTier": "flex"}, "flex", ()),
        ({"serviceTier": "SERVICE_TIER_PRIORITY"}, "priority", ()),
        ({"trafficType": "ON_DEMAND"}, None, ()),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority", ()),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None, (("traffic", "provisioned_throughput"),)),
    ],
)
def test_tier(usage: dict[str, object], tier: str | None, conditions: tuple[tuple[str, str], ...]) -> None:
    """The tier served comes from the service tier or from the traffic type."""
    reading = reading_of(answer({"promptTokenCount": 1, **usage}))

    assert (tier, conditions) == (reading.service_tier, reading.conditions)


def test_stream_broken_off() -> None:
    """A stream that stops short is metered as of its last chunk, marked estimated."""
    chunk = b'data: {"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3,"totalTokenCount":8}}\r\n\r\n'

    reading = reading_of(chunk, path=STREAM, content_type=EVENTS, complete=False)

    assert usage_of({Meter.INPUT_TEXT: 5, Meter.OUTPUT_TEXT: 3}) == reading.usage
    assert UsageStatus.ESTIMATED is reading.status
    assert not reading.complete


def test_stream_error() -> None:
    """An error inside a stream is named."""
    body = b'[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]'

    reading = reading_of(body, path=STREAM)

    assert (reading.error, reading.status) == ("UNAVAILABLE", UsageStatus.NONE)


def test_no_usage() -> None:
    """An answer without usage is estimated from its text; one that says nothing at all is missing."""
    spoken, silent = reading_of(answer()), reading_of(b"{}")

    assert spoken.usage is not None
    assert UsageStatus.ESTIMATED is spoken.status
    assert spoken.usage.output_tokens >= 4
    assert (silent.usage, silent.status) == (None, UsageStatus.MISSING)


@pytest.mark.parametrize(
    ("body", "tokens", "status"),
    [
        (b'{"embedding":{"values":[0.1]},"usageMetadata":{"promptTokenCount":6}}', 6, UsageStatus.REPORTED),
        (b'{"embedding":{"values":[0.1],"statistics":{"tokenCount":7.0}}}', 7, UsageStatus.REPORTED),
        (b'{"embeddings":[{"statistics":{"tokenCount":2}},{"statistics":{"tokenCount":3}}]}', 5, UsageStatus.REPORTED),
        (b'{"embedding":{"values":[0.1]}}', 7, UsageStatus.ESTIMATED),
        (
            b'{"embeddings":[{"statistics":{"tokenCount":2}},{"statistics":{"tokenCount":-3}}]}',
            7,
            UsageStatus.ESTIMATED,
        ),
    ],
)
def test_embeddings(body: bytes, tokens: int, status: UsageStatus) -> None:
    """Embeddings are metered by what is reported, else their input is estimated."""
    reading = reading_of(body, path=EMBED)

    assert usage_of({Meter.INPUT_TEXT: tokens}) == reading.usage
    assert status is reading.status


@pytest.mark.parametrize(
    "prefix",
    [
        "/v1beta",
        "/v1",
        "/v1beta1/projects/p/locations/global/publishers/google",
        "/v1/projects/p/locations/europe-west4/publishers/google",
        "/v1beta1/publishers/google",
    ],
)
@pytest.mark.parametrize(
    ("method", "operation", "billable", "streams"),
    [
        ("generateContent", "generate_content", True, False),
        ("streamGenerateContent", "generate_content", True, True),
        ("countTokens", "count_tokens", False, False),
        ("embedContent", "embed_content", True, False),
        ("batchEmbedContents", "embed_content", True, False),
    ],
)
def test_match(prefix: str, method: str, operation: str, *, billable: bool, streams: bool) -> None:
    """The metered methods, on the Gemini API and on Vertex AI."""
    path = f"{prefix}/models/gemini-2.5-pro:{method}"

    expected = Endpoint("gemini", operation, path, billable=billable, path_model="gemini-2.5-pro", path_stream=streams)
    assert expected == DIALECT.match("POST", path)


def test_match_models() -> None:
    """Listings are free."""
    one = DIALECT.match("GET", "/v1beta/models/gemini-2.5-pro")
    all_models = DIALECT.match("GET", "/v1beta/models")

    assert (one.billable, one.path_model) == (False, "gemini-2.5-pro") if one else False
    assert (all_models.billable, all_models.path_model) == (False, None) if all_models else False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", GENERATE),
        ("POST", "/v1beta/models/gemini-2.5-pro"),
        ("POST", "/v1beta/models/gemini-2.5-pro:predict"),
        ("POST", "/v1beta/models/gemini-2.5-pro:batchGenerateContent"),
        ("POST", "/v1beta/models/../cachedContents:generateContent"),
        ("POST", "/v1beta/models/a%2Fb:generateContent"),
        ("POST", "/v1beta/cachedContents"),
        ("POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict"),
        ("POST", "/v2/models/gemini-2.5-pro:generateContent"),
    ],
)
def test_match_unmetered(method: str, path: str) -> None:
    """Everything else is refused."""
    assert DIALECT.match(method, path) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{"generationConfig":{"maxOutputTokens":7,"candidateCount":3}}', 21),
        ('{"generation_config":{"max_output_tokens":7}}', 7),
        ('{"generationConfig":{"maxOutputTokens":"7"}}', 7),
        ('{"generationConfig":{"maxOutputTokens":7,"max_output_tokens":9}}', 9),
        ('{"generationConfig":{"maxOutputTokens":0}}', None),
        ("{}", None),
    ],
)
def test_read_cap(config: str, expected: int | None) -> None:
    """The output cap is found in either spelling, times the candidates asked for."""
    request = DIALECT.read(endpoint_at(GENERATE), JSON_TYPE, config.encode())

    assert expected == request.max_output_tokens


def test_read() -> None:
    """The path names model and stream, the body labels and tier; the body is the very same object."""
    body = b'{"contents":[],"serviceTier":"flex","labels":{"team":"search","n":1}}'

    request = DIALECT.read(endpoint_at(STREAM), JSON_TYPE, body)

    expected = Request(
        model="gemini-3-flash",
        stream=True,
        body=body,
        metadata={"team": "search"},
        service_tier="flex",
        reach=Reach(added_input=64),
    )
    assert expected == request
    assert body is request.body


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_read_refuses(body: bytes) -> None:
    """A body that is no JSON object is refused."""
    with pytest.raises(Refusal) as refused:
        DIALECT.read(endpoint_at(GENERATE), JSON_TYPE, body)

    assert refused.value.code == "invalid_request"


def test_http_error() -> None:
    """A failed call is not billed, and its error status is kept, from an object or from a streamed array."""
    body = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}'

    for shape in (body, b"[" + body + b"]"):
        reading = watch(tap_at(STREAM, JSON_TYPE, 429), [shape])[1]

        assert (reading.error, reading.status) == ("RESOURCE_EXHAUSTED", UsageStatus.NONE)


@pytest.mark.parametrize("status", sorted({*REFUSALS.values(), 402, 429}))
def test_error(status: int) -> None:
    """The official SDK raises an error of the right class that carries our message."""
    headers, body = DIALECT.error(status=status, code="unpriced_model", message="no price for x", request_id="r-1")
    expected = errors.ServerError if status >= 500 else errors.ClientError

    with answering(status, headers, body) as url:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
        with pytest.raises(expected) as raised:
            client.models.generate_content(model="x", contents="hi")
        client.close()

    assert status == raised.value.code
    assert raised.value.message == "no price for x"


COUNTS = st.integers(0, 10**6)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.data())
def test_meters_add_up(prompt: int, made: int, thoughts: int, tools: int, data: st.DataObject) -> None:
    """Whatever is cached, the meters add up to the total."""
    cached = data.draw(st.integers(0, prompt))
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": made,
        "thoughtsTokenCount": thoughts,
        "toolUsePromptTokenCount": tools,
        "totalTokenCount": prompt + made + thoughts + tools,
    }

    reading = reading_of(answer(usage))

    found = reading.usage or Usage()
    assert (prompt + tools, made + thoughts) == (found.input_tokens, found.output_tokens)
    assert UsageStatus.REPORTED is reading.status


USAGE_NAMES = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
    "promptTokensDetails",
    "cacheTokensDetails",
    "candidatesTokensDetails",
    "serviceTier",
    "trafficType",
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "usageMetadata": st.dictionaries(st.sampled_from(USAGE_NAMES), JSON | st.integers(0, 50)),
        "candidates": JSON | st.lists(st.fixed_dictionaries({"groundingMetadata": JSON, "content": JSON}), max_size=2),
        "error": JSON,
        "modelVersion": JSON,
    },
)


@given(chunks=st.lists(CHUNKS, max_size=4), complete=st.booleans(), path=st.sampled_from([GENERATE, STREAM, EMBED]))
def test_any_json(chunks: list[object], path: str, *, complete: bool) -> None:
    """No answer of any shape raises, and nothing is ever metered below zero."""
    body = json.dumps(chunks if path == STREAM else (chunks or [{}])[0]).encode()

    reading = reading_of(body, path=path, complete=complete)

    assert all(quantity > 0 for _, quantity in reading.usage.counts) if reading.usage else True
    assert reading.status is not UsageStatus.INCONSISTENT or reading.raw_usage


@given(chunked(), st.sampled_from([GENERATE, STREAM, EMBED]), st.sampled_from([EVENTS, JSON_TYPE]))
def test_any_bytes(chunks: list[bytes], path: str, content_type: str) -> None:
    """Arbitrary bytes pass through unchanged, never raise, and read the same when they come at once."""
    whole = b"".join(chunks)

    assert watch(tap_at(path, content_type), [whole]) == watch(tap_at(path, content_type), chunks)
    assert whole == watch(tap_at(path, content_type), chunks)[0]
