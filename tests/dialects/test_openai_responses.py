"""Responses: fees, background, retrieval, streams."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.openai_responses import ALREADY_BILLED, BACKGROUND, PENDING
from bursar.dialects.registry import dialect_for
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of
from support.taps import answer, ask, run

OPENAI = dialect_for("openai")
USAGE = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}
SETTLED = usage_of({Meter.INPUT_TEXT: 10, Meter.OUTPUT_TEXT: 4})
SSE = "text/event-stream"


def create(**fields: Any):
    return ask(OPENAI, "/responses", json.dumps({"model": "m", "input": "x" * 400, **fields}).encode())


def retrieve():
    endpoint = OPENAI.match("GET", "/responses/resp_1")
    assert endpoint is not None
    return endpoint, OPENAI.read(endpoint, "", b"")


def response(**fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "m-1", "status": "completed", "usage": USAGE, **fields}


def read(asked, **fields: Any):
    return answer(OPENAI, asked, json.dumps(response(**fields)).encode())


def events(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (d["type"].encode(), json.dumps(d).encode()) for d in documents)


def item(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"{kind}_{number}", "status": "completed", **more}


SEARCH = {"action": {"type": "search"}}
CALLS = [
    item("web_search_call", 1, **SEARCH),
    item("web_search_call", 2, action={"type": "open_page"}),
    item("web_search_call", 3),
    item("file_search_call", 1),
    item("code_interpreter_call", 1, container_id="c1"),
    item("code_interpreter_call", 2, container_id="c1"),
    item("message", 1),
]


def test_request():
    """Policy sees model, stream, cap, metadata and tier; the body is untouched."""
    _, request = create(stream=True, max_output_tokens=9, metadata={"team": "a"}, service_tier="flex", user="u")

    assert (request.model, request.stream, request.max_output_tokens) == ("m", True, 9)
    assert (dict(request.metadata), request.service_tier, request.user) == ({"team": "a"}, "flex", "u")
    assert (request.changes, request.strip_usage) == ((), False)


def test_fees_from_output_items():
    """Searches, file searches and containers are counted from the output where nothing else tells them."""
    reading = read(create(), output=CALLS)

    fees = usage_of({Meter.SEARCHES: 2, Meter.FILE_SEARCHES: 1, Meter.CODE_EXECUTIONS: 1})
    assert (SETTLED + fees, UsageStatus.REPORTED) == (reading.usage, reading.status)


def test_fees_as_reported():
    """The provider's own count of billable searches outranks the items."""
    reading = read(create(), output=CALLS, tool_usage={"web_search": {"num_requests": 1}})

    assert reading.usage is not None
    assert reading.usage.quantity(Meter.SEARCHES) == 1


def test_fees_in_a_stream_count_once():
    """An item that is added, done and repeated in the completed response is one call."""
    stream = events(
        {"type": "response.created", "response": response(status="in_progress", usage=None, service_tier="auto")},
        {"type": "response.output_item.added", "item": item("web_search_call", 1, status="in_progress")},
        {"type": "response.output_item.done", "item": item("web_search_call", 1, **SEARCH)},
        {"type": "response.completed", "response": response(output=CALLS[:1], service_tier="default")},
    )

    reading = answer(OPENAI, create(stream=True), stream, content_type=SSE)

    assert SETTLED + usage_of({Meter.SEARCHES: 1}) == reading.usage
    assert (reading.service_tier, reading.complete, reading.response_id) == ("default", True, "resp_1")


def test_opened_page_is_no_search():
    """A call that turns out to open a page was never a search."""
    stream = events(
        {"type": "response.output_item.added", "item": {"type": "web_search_call", "id": "w", "status": "in_progress"}},
        {"type": "response.output_item.done", "item": item("web_search_call", 1, id="w", action={"type": "open_page"})},
        {"type": "response.completed", "response": response()},
    )

    assert answer(OPENAI, create(stream=True), stream, content_type=SSE).usage == SETTLED


def test_undecided_tier():
    """The tier of a response that broke off before it was served is unknown."""
    created = {"type": "response.created", "response": response(status="queued", usage=None, service_tier="auto")}
    tap = OPENAI.tap(*create(stream=True), status=200, content_type=SSE, headers={})

    assert run(tap, [events(created)], complete=False)[1].service_tier is None


def test_image_tokens_of_another_model():
    """Images are drawn by another model: its tokens are a part of their own."""
    drawn = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105, "input_tokens_details": {"image_tokens": 3}}
    tools = [{"type": "image_generation", "model": "gpt-image-1-mini"}]

    reading = read(create(), output=[item("image_generation_call", 1)], tool_usage={"image_gen": drawn}, tools=tools)

    image = usage_of({Meter.INPUT_TEXT: 2, Meter.INPUT_IMAGE: 3, Meter.OUTPUT_IMAGE: 100})
    assert [(part.model, part.usage) for part in reading.parts] == [("m-1", SETTLED), ("gpt-image-1-mini", image)]
    assert SETTLED + image == reading.usage


def test_image_without_tokens():
    """An image whose tokens are not reported is counted as an image, so that it cannot look free."""
    reading = read(create(), output=[item("image_generation_call", 1, result="x" * 99)])

    assert [(part.model, part.usage) for part in reading.parts] == [
        ("m-1", SETTLED),
        ("gpt-image-1", usage_of({Meter.IMAGES: 1})),
    ]
    assert len(reading.notes) == 1


def test_background_is_missing_at_first():
    """A background response has no usage yet: its cost is unknown, not zero."""
    reading = read(create(background=True), status="queued", background=True, usage=None)

    assert (reading.usage, reading.status, reading.notes) == (None, UsageStatus.MISSING, (PENDING,))
    assert (reading.response_id, reading.complete) == ("resp_1", False)


def test_background_bills_when_retrieved():
    """The retrieval that reports terminal usage bills, under the response's id."""
    reading = read(retrieve(), background=True)

    assert (reading.usage, reading.status, reading.notes) == (SETTLED, UsageStatus.REPORTED, (BACKGROUND,))
    assert reading.response_id == "resp_1"


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled"])
def test_background_polled(status):
    """A poll without usage costs nothing."""
    reading = read(retrieve(), background=True, status=status, usage=None)

    assert (reading.usage, reading.status) == (None, UsageStatus.NONE)


def test_retrieval_bills_nothing():
    """A response that was not made in the background was billed when it was made."""
    reading = read(retrieve(), background=False)

    assert (reading.usage, reading.status, reading.notes) == (None, UsageStatus.NONE, (ALREADY_BILLED,))


def test_background_stream_resumed():
    """A background stream that is resumed by a retrieval reports its usage, and says it counts once."""
    stream = events({"type": "response.completed", "response": response(background=True)})

    reading = answer(OPENAI, retrieve(), stream, content_type=SSE)

    assert (reading.usage, reading.notes) == (SETTLED, (BACKGROUND,))


def test_compaction():
    """A compaction is billed like a response."""
    asked = ask(OPENAI, "/responses/compact", b'{"model":"m"}')
    body = {"id": "r", "object": "response.compaction", "output": [], "usage": USAGE}

    reading = answer(OPENAI, asked, json.dumps(body).encode())

    assert (reading.usage, reading.complete) == (SETTLED, True)


def test_counting_tokens_is_free():
    """Counting input tokens costs nothing."""
    asked = ask(OPENAI, "/responses/input_tokens", b'{"model":"m"}')

    reading = answer(OPENAI, asked, b'{"input_tokens":18,"object":"response.input_tokens"}')

    assert not asked[0].billable
    assert (reading.usage, reading.status) == (None, UsageStatus.NONE)


def test_broken_stream():
    """A stream that breaks off is billed by the deltas seen."""
    stream = events(
        {"type": "response.output_text.delta", "delta": "x" * 30},
        {"type": "response.function_call_arguments.delta", "delta": "x" * 10},
        {"type": "response.output_text.done", "text": "x" * 30},
    )
    tap = OPENAI.tap(*create(stream=True), status=200, content_type=SSE, headers={})

    _, reading = run(tap, [stream], complete=False)

    assert (reading.status, reading.complete) == (UsageStatus.ESTIMATED, False)
    assert reading.usage is not None
    assert reading.usage.output_tokens == 10
    assert 100 <= reading.usage.input_tokens <= 110


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"type": "error", "code": "server_error", "message": "m"}, "server_error"),
        ({"type": "error", "error": {"type": "too_many", "code": "x"}}, "too_many"),
        ({"type": "response.failed", "response": response(status="failed", usage=None, error={"code": "bad"})}, "bad"),
    ],
)
def test_failed_stream(document, error):
    """A stream that fails before any text costs nothing and names the error."""
    tap = OPENAI.tap(*create(stream=True), status=200, content_type=SSE, headers={})

    _, reading = run(tap, [events(document)])

    assert (reading.error, reading.usage, reading.status) == (error, None, UsageStatus.NONE)


def test_incomplete_response_is_billed():
    """A response that stopped at its cap is complete as an answer and billed."""
    stream = events({"type": "response.incomplete", "response": response(status="incomplete")})

    reading = answer(OPENAI, create(stream=True), stream, content_type=SSE)

    assert (reading.usage, reading.complete) == (SETTLED, True)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "id"]), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    [
        *["type", "delta", "item", "response", "error", "id", "model", "status", "background", "usage", "output"],
        *["tools", "tool_usage", "action", "web_search", "image_gen", "service_tier"],
    ]
)
KINDS = st.sampled_from(["web_search_call", "response.completed", "error", "completed", "image_generation"])
DOCUMENTS = st.recursive(
    JUNK | KINDS, lambda inner: st.dictionaries(NAMES, inner, max_size=5) | st.lists(inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(NAMES, DOCUMENTS, max_size=8), st.booleans())
def test_mistyped_documents(document, complete):
    """No shape of a document raises, in a stream or in a body."""
    body = json.dumps(document).encode()
    for asked in (create(stream=True), retrieve()):
        for content_type, wire in (("application/json", body), (SSE, b"data: " + body + b"\n\n")):
            tap = OPENAI.tap(*asked, status=200, content_type=content_type, headers={})
            out, _ = run(tap, [wire], complete=complete)

            assert out == wire
