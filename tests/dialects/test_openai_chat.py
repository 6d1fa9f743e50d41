"""Chat completions: requests, streams, withheld chunks, errors."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.include_usage import CHANGE
from bursar.dialects.registry import dialect_for
from bursar.errors import Refusal
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of
from support.taps import answer, ask, pieces, run

OPENAI = dialect_for("openai")
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
SETTLED = usage_of({Meter.INPUT_TEXT: 10, Meter.OUTPUT_TEXT: 4})
SSE = "text/event-stream; charset=utf-8"


def chat(**fields: Any):
    return ask(OPENAI, "/chat/completions", json.dumps({"model": "m", **fields}).encode())


def delta(content: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return event({"id": "c1", "model": "m-1", "choices": [choice], **more})


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE_CHUNK = event({"id": "c1", "choices": [], "usage": USAGE})


def test_request():
    """Policy sees the model, the cap for all answers, the user, the metadata and the tier."""
    _, request = chat(
        max_tokens=7,
        max_completion_tokens=50,
        n=3,
        user="u",
        metadata={"team": "a", "bad": 1},
        service_tier="flex",
        messages=[],
    )

    assert (request.model, request.stream, request.max_output_tokens) == ("m", False, 150)
    assert (request.user, request.metadata, request.service_tier) == ("u", {"team": "a"}, "flex")
    assert (request.changes, request.strip_usage, request.usage) == ((), False, None)


def test_request_body_is_the_same_object():
    """A body that needs no change is passed on, not copied."""
    body = b'{"model":"m","messages":[]}'

    assert ask(OPENAI, "/chat/completions", body)[1].body is body


def test_streamed_request_asks_for_usage():
    """A stream that does not ask for usage is made to, and the change is declared."""
    _, request = chat(stream=True)

    assert json.loads(request.body)["stream_options"] == {"include_usage": True}
    assert (request.strip_usage, request.changes) == (True, (CHANGE,))


@pytest.mark.parametrize("name", ["mistral", "groq", "xai", "openrouter"])
def test_streams_that_report_anyway(name):
    """Providers that always report usage, or refuse the option, are not asked."""
    body = b'{"model":"m","stream":true}'

    request = ask(dialect_for(name), "/chat/completions", body)[1]

    assert (request.body, request.strip_usage) == (body, False)


@pytest.mark.parametrize(
    "fields", [{"max_tokens": "7"}, {"max_tokens": -1}, {"n": 1.5}, {"stream": "yes"}, {"model": 7}, {"metadata": []}]
)
def test_mistyped_request_fields(fields):
    """A field of the wrong type is the provider's to refuse; to policy it is unknown."""
    _, request = chat(**fields)

    assert not request.stream
    assert request.max_output_tokens is None
    assert request.model == (None if "model" in fields else "m")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"a":1}x', b"[" * 100_000])
def test_not_a_request(body):
    """What is not a JSON object is refused."""
    with pytest.raises(Refusal) as refused:
        ask(OPENAI, "/chat/completions", body)

    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("fields", "searches"),
    [
        ({"model": "gpt-4o-search-preview"}, 1),
        ({"model": "gpt-5-search-api"}, 1),
        ({"web_search_options": {}}, 1),
        ({"web_search_options": None}, 0),
        ({}, 0),
    ],
)
def test_search_models(fields, searches):
    """Chat models that always search cost one search an answer, which their usage does not tell."""
    asked = chat(**fields)

    reading = answer(OPENAI, asked, json.dumps({"usage": USAGE}).encode())

    assert SETTLED + usage_of({Meter.SEARCHES: searches}) == reading.usage


def test_usage_chunk_is_withheld():
    """The chunk that only we asked for does not reach the client; all else does."""
    asked = chat(stream=True)
    stream = [delta("Hi"), delta(None, usage=None), USAGE_CHUNK, DONE]
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    out, reading = run(tap, stream)

    assert b"".join([stream[0], stream[1], DONE]) == out
    assert (reading.usage, reading.status, reading.complete) == (SETTLED, UsageStatus.REPORTED, True)
    assert (reading.model, reading.response_id, json.loads(reading.raw_usage or "")) == ("m-1", "c1", USAGE)


def test_usage_beside_choices_is_forwarded():
    """Usage that comes on a chunk with choices is read, and the chunk is forwarded."""
    asked = chat(stream=True)
    stream = [delta("Hi"), delta("!", usage=USAGE), DONE]
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    out, reading = run(tap, stream)

    assert b"".join(stream) == out
    assert reading.usage == SETTLED


def test_requested_usage_chunk_is_forwarded():
    """A caller who asked for usage gets it."""
    asked = chat(stream=True, stream_options={"include_usage": True})

    reading = answer(OPENAI, asked, delta("Hi") + USAGE_CHUNK + DONE, content_type=SSE)

    assert reading.usage == SETTLED


@given(
    st.lists(
        st.sampled_from([delta("a"), delta('_tokens"'), USAGE_CHUNK, DONE, b": note\n\n", event({"usage": USAGE})])
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
    st.lists(st.integers(min_value=0), max_size=6),
)
def test_withholding_by_any_cut(events, end, is_closed, points):
    """Whatever the cut and the line ends, exactly the usage chunks are missing, and the reading is the same."""
    asked = chat(stream=True)
    wire = [one.replace(b"\n", end) for one in events]
    if wire and not is_closed:
        wire[-1] = wire[-1].rstrip(b"\r\n")
    stream = b"".join(wire)
    expected = b"".join(one for one, source in zip(wire, events, strict=True) if source != USAGE_CHUNK)

    whole = run(OPENAI.tap(*asked, status=200, content_type=SSE, headers={}), [stream])
    cut = pieces(stream, [point % (len(stream) + 1) for point in points])

    assert expected == whole[0]
    assert whole == run(OPENAI.tap(*asked, status=200, content_type=SSE, headers={}), cut)


def test_usage_chunk_after_a_long_event():
    """A long event that ends with its own chunk lets the next usage chunk be withheld."""
    tap = OPENAI.tap(*chat(stream=True), status=200, content_type=SSE, headers={})
    long = delta("x" * 100_000)

    out, _ = run(tap, [long[:-1000], long[-1000:], USAGE_CHUNK, DONE])

    assert long + DONE == out


def test_unterminated_usage_chunk():
    """Usage in a last event without a blank line is read."""
    reading = answer(OPENAI, chat(stream=False), delta("Hi") + USAGE_CHUNK.rstrip(), content_type=SSE)

    assert reading.usage == SETTLED


def test_finish_reason_ends_the_answer():
    """A provider that leaves out the end marker has ended when it gives a reason."""
    choice = {"delta": {"content": "a"}, "finish_reason": "length"}

    ended = answer(OPENAI, chat(), event({"choices": [choice]}), content_type=SSE)

    assert ended.complete
    assert not answer(OPENAI, chat(), delta("a"), content_type=SSE).complete


def test_long_event_is_not_held():
    """An event too long to be a usage chunk flows on as it arrives, and the next usage chunk is still withheld."""
    asked = chat(stream=True)
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})
    long = delta("x" * 500_000)
    out = b""
    longest_wait = 0
    stream = long + USAGE_CHUNK + DONE
    for at in range(0, len(stream), 1000):
        out += tap.feed(stream[at : at + 1000])
        longest_wait = max(longest_wait, at + 1000 - len(out))

    assert long + DONE == out + tap.flush()
    assert longest_wait < 70_000
    assert tap.finish(complete=True).usage == SETTLED


@given(st.lists(st.binary(max_size=80) | st.sampled_from([b"data: {", b"\n\n", b'"usage":{', b"\r"]), max_size=8))
def test_arbitrary_bytes(chunks):
    """Garbage passes unchanged, never raises, and reads the same in one piece."""
    for asked in (chat(stream=True), chat()):
        for content_type in (SSE, "application/json", ""):
            one = run(OPENAI.tap(*asked, status=200, content_type=content_type, headers={}), chunks)
            other = run(OPENAI.tap(*asked, status=200, content_type=content_type, headers={}), [b"".join(chunks)])

            assert one == other
            assert one[0] == b"".join(chunks)


def test_last_writer_per_field():
    """Usage split over chunks is merged field by field; null does not overwrite."""
    first = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    last = {"completion_tokens": 4, "prompt_tokens_details": {"audio_tokens": 0}, "prompt_tokens": None}
    asked = chat(stream=True, stream_options={"include_usage": True})

    reading = answer(OPENAI, asked, delta("a", usage=first) + delta("b", usage=last) + DONE, content_type=SSE)

    assert usage_of({Meter.INPUT_TEXT: 2, Meter.CACHE_READ: 8, Meter.OUTPUT_TEXT: 4}) == reading.usage


def test_service_tier_served():
    """The tier is the last one the provider names."""
    asked = chat(stream=True, service_tier="fast")

    stream = delta("a", service_tier="default") + delta("b", service_tier="priority")

    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})
    assert run(tap, [stream])[1].service_tier == "priority"


def test_groq_usage_in_x_groq():
    """Groq's older streams report inside x_groq."""
    groq = dialect_for("groq")
    asked = ask(groq, "/chat/completions", b'{"model":"m","stream":true}')

    reading = answer(groq, asked, delta("a", x_groq={"id": "r", "usage": USAGE}) + DONE, content_type=SSE)

    assert reading.usage == SETTLED


def test_error_inside_a_stream():
    """An error event ends the answer; what was said until then is billed as estimated."""
    asked = chat(stream=True, messages=[{"role": "user", "content": "x" * 400}])
    error = event({"error": {"type": "server_error", "message": "secret prompt", "code": None}})
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    _, reading = run(tap, [delta("x" * 40), error])

    assert (reading.error, reading.status, reading.complete) == ("server_error", UsageStatus.ESTIMATED, False)
    assert reading.usage is not None
    assert reading.usage.output_tokens == 10
    assert 100 <= reading.usage.input_tokens <= 140
    assert "secret" not in str(reading)


def test_error_before_any_text():
    """An error event as the first word costs nothing."""
    asked = chat(stream=True)
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    _, reading = run(tap, [event({"error": {"code": 502, "message": "m"}})])

    assert (reading.error, reading.status, reading.usage) == ("502", UsageStatus.NONE, None)


def test_broken_stream_counts_everything_said():
    """Content, reasoning, refusals and tool calls are output."""
    said = {"content": "1234", "reasoning_content": "5678", "reasoning": "abcd", "refusal": "efgh"}
    call = {
        "tool_calls": [{"function": {"name": "tool", "arguments": "{  }"}}],
        "audio": {"transcript": "\u00e4\u00f6"},
    }
    asked = chat(stream=True)
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    _, reading = run(tap, [event({"choices": [{"delta": said}, {"delta": call}]})], complete=False)

    assert reading.usage is not None
    assert reading.usage.output_tokens == 7


@pytest.mark.parametrize("content", [["parts", {"type": "text", "text": "1234567"}], 12, {"x": "12345678"}])
def test_mistyped_chunk(content):
    """A chunk whose content is no string still gives its usage and its id."""
    asked = chat(stream=True)
    choice = {"delta": {"content": content}, "finish_reason": "stop"}
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    _, reading = run(tap, [event({"id": "c9", "model": 1, "choices": [choice], "usage": USAGE})])

    assert (reading.usage, reading.response_id, reading.complete) == (SETTLED, "c9", True)


@pytest.mark.parametrize("usage", [None, [], "none", 3, {}])
def test_missing_usage(usage):
    """A whole answer without usage is estimated from its text."""
    message = {"content": "x" * 40}
    body = json.dumps({"id": "c", "choices": [{"message": message}], "usage": usage}).encode()

    reading = answer(OPENAI, chat(), body)

    assert (reading.status, reading.complete) == (UsageStatus.ESTIMATED, True)
    assert reading.usage is not None
    assert reading.usage.output_tokens == 10


def test_empty_answer():
    """An answer without usage and without text is missing, never zero."""
    reading = answer(OPENAI, chat(), b'{"nothing_object":{"an_array":["because"]}}')

    assert (reading.usage, reading.status) == (None, UsageStatus.MISSING)


def test_broken_body():
    """A body that broke off is estimated from its bytes."""
    reading = answer(OPENAI, chat(), b'{"choices":[{"message":{"content":"xxxxxxxx', complete=False)

    assert (reading.status, reading.complete) == (UsageStatus.ESTIMATED, False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"type":"invalid_request_error","code":"x"}}', "invalid_request_error"),
        (b'{"error":{"code":"content_filter","type":null}}', "content_filter"),
        (b'{"error":"Not found","code":"some_code"}', "some_code"),
        (b'{"object":"error","type":"BadRequest","code":400}', "BadRequest"),
        (b'{"detail":[{"loc":["body"]}]}', "http_422"),
        (b"<html>", "http_422"),
        (b"", "http_422"),
        (b'{"error":{"type":[]}}', "http_422"),
    ],
)
def test_error_status(body, error):
    """An error answer bills nothing and names the provider's error."""
    reading = answer(OPENAI, chat(stream=True), body, status=422)

    assert (reading.usage, reading.status, reading.error) == (None, UsageStatus.NONE, error)


def test_compound_models():
    """Groq's compound answers are billed by model, and their tools by the call."""
    groq = dialect_for("groq")
    asked = ask(groq, "/chat/completions", b'{"model":"groq/compound"}')
    shares = [("a", 6, 1), ("b", 3, 2), ("a", 1, 1)]
    models = [{"model": m, "usage": {"prompt_tokens": i, "completion_tokens": o}} for m, i, o in shares]
    tools = [{"index": 0, "type": "search"}, {"index": 1, "type": "python"}, {"index": 2, "type": "browser"}]
    message = {"content": "x", "executed_tools": tools}
    body = {"model": "groq/compound", "choices": [{"message": message}], "usage": USAGE}

    reading = answer(groq, asked, json.dumps({**body, "usage_breakdown": {"models": models}}).encode())

    fees = usage_of({Meter.SEARCHES: 1, Meter.CODE_EXECUTIONS: 1})
    assert SETTLED + fees == reading.usage
    assert [(part.model, part.usage) for part in reading.parts] == [
        ("a", usage_of({Meter.INPUT_TEXT: 7, Meter.OUTPUT_TEXT: 2})),
        ("b", usage_of({Meter.INPUT_TEXT: 3, Meter.OUTPUT_TEXT: 2})),
        ("groq/compound", fees),
    ]


def test_compound_stream():
    """A tool that a stream names when it starts and when it is done is one call."""
    groq = dialect_for("groq")
    asked = ask(groq, "/chat/completions", b'{"model":"groq/compound","stream":true}')
    tools = [[{"index": 0, "type": "search"}], [{"index": 1, "type": "search"}], [{"index": 1, "type": "search"}]]
    stream = b"".join(event({"choices": [{"delta": {"executed_tools": one}}]}) for one in tools)

    reading = answer(groq, asked, stream + USAGE_CHUNK, content_type=SSE)

    assert SETTLED + usage_of({Meter.SEARCHES: 2}) == reading.usage


def test_tools_counted_by_the_usage():
    """Tool calls that the usage object counts outrank those seen."""
    xai = dialect_for("xai")
    asked = ask(xai, "/chat/completions", b'{"model":"grok"}')
    usage = {**USAGE, "server_side_tool_usage_details": {"web_search_calls": 3}, "cost_in_usd_ticks": 5}

    reading = answer(xai, asked, json.dumps({"usage": usage}).encode())

    assert SETTLED + usage_of({Meter.SEARCHES: 3}) == reading.usage
    assert reading.provider_cost == 500


def test_oversized_usage_is_not_kept():
    """A usage object of unreasonable size is read but not kept in the row."""
    body = json.dumps({"usage": {**USAGE, "junk": "x" * 20_000}}).encode()

    reading = answer(OPENAI, chat(), body)

    assert (reading.usage, reading.raw_usage) == (SETTLED, None)


def test_json_answer_to_a_streamed_request():
    """A provider that answers a stream with plain JSON is read as what it sent."""
    asked = chat(stream=True)
    tap = OPENAI.tap(*asked, status=200, content_type="application/json", headers={})

    assert run(tap, [json.dumps({"usage": USAGE}).encode()])[1].usage == SETTLED


def test_unlabelled_stream():
    """A stream without a content type is read as the stream that was asked for."""
    asked = chat(stream=True)
    request = msgspec.structs.replace(asked[1], strip_usage=False)

    reading = answer(OPENAI, (asked[0], request), delta("a") + USAGE_CHUNK, content_type="")

    assert reading.usage == SETTLED
