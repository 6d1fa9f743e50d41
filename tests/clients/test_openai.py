"""The official OpenAI client for Python, unmodified, against the gateway."""

import asyncio
import base64
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from bursar.events import Outcome, PriceStatus
from support.books import Books, without_fresh
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

KEY = "vk-clients"
MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "How do I reconcile an invoice?"}]
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode()
WEATHER = {
    "name": "get_weather",
    "description": "Current weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Invoice(BaseModel):
    """A structured answer."""

    number: str
    total: float
    lines: list[str]


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[OpenAI]:
    """The client as a user configures it: base URL and virtual key."""
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def direct(provider: RunningSimulator) -> Iterator[OpenAI]:
    """The same client without a gateway between."""
    with OpenAI(base_url=f"{provider.base_url}/v1", api_key="direct", max_retries=0) as made:
        yield made


def test_chat(client: OpenAI, direct: OpenAI, books: Books) -> None:
    """A chat completion is the provider's own, and its cost and request id stand in the response's headers."""
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    row = books.one().row

    assert without_fresh(direct.chat.completions.create(model=MODEL, messages=ASK)) == without_fresh(raw.parse())
    assert raw.headers["x-bursar-request-id"] == row.facts.call_id
    assert raw.headers["x-bursar-price-status"] == "priced"
    assert round(float(raw.headers["x-bursar-cost-usd"]) * 10**12) == row.cost


def test_tags(client: OpenAI, books: Books) -> None:
    """Tags come from default headers, from a request's own headers and from the body's metadata."""
    tagging = client.with_options(default_headers={"x-bursar-feature": "chat", "x-bursar-tag-tier": "gold"})
    tagging.chat.completions.create(
        model=MODEL,
        messages=ASK,
        user="u-1",
        metadata={"customer": "acme"},
        extra_headers={"x-bursar-feature": "draft", "x-bursar-task": "task-7"},
    )
    facts = books.one().facts

    assert (facts.principal.team, facts.principal.key, facts.task) == ("search", "clients", "task-7")
    assert facts.tags == (("customer", "acme"), ("feature", "draft"), ("tier", "gold"), ("user", "u-1"))


def test_chat_stream(client: OpenAI, direct: OpenAI, books: Books) -> None:
    """A stream that asks for its usage arrives chunk for chunk as the provider sends it."""
    ask = {"model": MODEL, "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(**ask))
    entry = books.one().entry

    assert [without_fresh(one) for one in direct.chat.completions.create(**ask)] == [
        without_fresh(one) for one in chunks
    ]
    assert chunks[-1].usage is not None
    assert entry.usage is not None
    assert entry.usage["total_tokens"] == chunks[-1].usage.total_tokens


def test_chat_stream_without_usage(client: OpenAI, books: Books) -> None:
    """A stream that does not ask for its usage is metered all the same, and the client sees no trace of it."""
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    row = books.one().row

    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert row.usage


def test_stream_cost_comment(client: OpenAI, books: Books) -> None:
    """The cost comment at a stream's end disturbs the client's parser in no way."""
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=ASK, stream=True, extra_headers={"x-bursar-stream-cost": "comment"}
    ) as raw:
        lines = list(raw.iter_lines())
    stream = client.chat.completions.create(
        model=MODEL, messages=ASK, stream=True, extra_headers={"x-bursar-stream-cost": "comment"}
    )
    chunks = list(stream)
    first, _ = books.booked(2)

    assert [line for line in lines if line.startswith(": bursar cost_usd=")] == [lines[-2]]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert first.row.cost


def test_chat_tools(client: OpenAI, books: Books) -> None:
    """A tool call and its result make a round trip, two calls of one task."""
    tools = [{"type": "function", "function": WEATHER}]
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    asked = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    assert asked.tool_calls is not None
    messages += [
        asked.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "12 degrees"},
    ]
    answered = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0]
    books.booked(2)

    assert asked.tool_calls[0].function.name == "get_weather"
    assert answered.finish_reason == "stop"


def test_chat_tools_streamed(client: OpenAI, books: Books) -> None:
    """The client's stream accumulator puts a streamed tool call together."""
    with client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the weather in Oslo?"}],
        tools=[{"type": "function", "function": {**WEATHER, "strict": True}}],
    ) as stream:
        final = stream.get_final_completion()
    books.one()

    assert final.choices[0].message.tool_calls[0].function.arguments.startswith("{")


def test_chat_structured(client: OpenAI, books: Books) -> None:
    """A JSON schema gets an object of that shape, parsed by the client."""
    parsed = client.chat.completions.parse(model=MODEL, messages=ASK, response_format=Invoice)
    books.one()

    assert isinstance(parsed.choices[0].message.parsed, Invoice)


def test_chat_image(client: OpenAI, books: Books) -> None:
    """An image in the prompt is billed as the provider counts it."""
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])

    assert books.one().entry.quantities["input_text"] > 765


def test_responses(client: OpenAI, direct: OpenAI, books: Books) -> None:
    """The Responses API, whole and as a stream of events, with reasoning counted apart."""
    whole = client.responses.create(model="gpt-5-mini", input="Why is the forecast wide?")
    events = list(client.responses.create(model="gpt-5-mini", input="Why is the forecast wide?", stream=True))
    first, second = books.booked(2)
    expected = direct.responses.create(model="gpt-5-mini", input="Why is the forecast wide?", stream=True)

    assert whole.output_text
    assert [without_fresh(one) for one in expected] == [without_fresh(one) for one in events]
    assert first.entry.quantities["output_reasoning"] > 0
    assert second.row.facts.stream


def test_responses_tools(client: OpenAI, books: Books) -> None:
    """A function call and its output make a round trip through the Responses API."""
    tools = [{"type": "function", **WEATHER, "strict": False}]
    given = [{"role": "user", "content": "What is the weather in Oslo?"}]
    asked = client.responses.create(model=MODEL, input=given, tools=tools)
    (call,) = [item for item in asked.output if item.type == "function_call"]
    given += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}]
    answered = client.responses.create(model=MODEL, input=given, tools=tools)
    books.booked(2)

    assert (call.name, bool(answered.output_text)) == ("get_weather", True)


def test_responses_structured(client: OpenAI, books: Books) -> None:
    """The Responses API parses a JSON schema's answer, streamed too."""
    parsed = client.responses.parse(model=MODEL, input="Make an invoice", text_format=Invoice)
    with client.responses.stream(model=MODEL, input="Make an invoice", text_format=Invoice) as stream:
        streamed = stream.get_final_response()
    books.booked(2)

    assert isinstance(parsed.output_parsed, Invoice)
    assert isinstance(streamed.output_parsed, Invoice)


def test_completions(client: OpenAI, books: Books) -> None:
    """Legacy completions, whole and streamed."""
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon")
    chunks = list(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon", stream=True))
    books.booked(2)

    assert whole.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)


def test_embeddings(client: OpenAI, direct: OpenAI, books: Books) -> None:
    """Embeddings, in the base64 form that the client asks for by itself."""
    ask = {"model": "text-embedding-3-small", "input": ["one", "two"]}
    got = client.embeddings.create(**ask)
    books.one()

    assert without_fresh(direct.embeddings.create(**ask)) == without_fresh(got)
    assert all(isinstance(value, float) for value in got.data[0].embedding)


def test_free_routes(client: OpenAI, direct: OpenAI, books: Books) -> None:
    """Models, moderations and token counts are recorded and cost nothing."""
    models = client.models.list()
    model = client.models.retrieve("gpt-4o-mini")
    moderation = client.moderations.create(model="omni-moderation-latest", input="hello")
    counted = client.responses.input_tokens.count(model=MODEL, input="hello there")
    rows = [pair.row for pair in books.booked(4)]

    assert [one.id for one in models] == [one.id for one in direct.models.list()]
    assert (model.id, moderation.results[0].flagged, counted.input_tokens > 0) == ("gpt-4o-mini", False, True)
    assert {row.price_status for row in rows} == {PriceStatus.NOT_BILLED}


def test_images(client: OpenAI, books: Books) -> None:
    """Images are drawn and edited; the edit is a form upload."""
    drawn = client.images.generate(model="gpt-image-1", prompt="a ledger", size="1024x1024", quality="low")
    edited = client.images.edit(model="gpt-image-1", prompt="a red ledger", image=("in.png", b"\x89PNG", "image/png"))
    books.booked(2)

    assert drawn.data[0].b64_json
    assert edited.data[0].b64_json


def test_audio(client: OpenAI, books: Books) -> None:
    """Speech is read out and written down; the upload is a form, the sound is binary."""
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello") as spoken:
        sound = spoken.read()
    written = client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=("a.wav", sound, "audio/wav"))
    events = client.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("a.wav", sound, "audio/wav"), stream=True
    )
    types = [event.type for event in events]
    speech, _, _ = books.booked(3)

    assert sound
    assert written.text
    assert types[-1] == "transcript.text.done"
    assert speech.entry.quantities == {"characters": 5}


def test_async(gateway: GatewayThread, books: Books) -> None:
    """The asynchronous client, many calls at once, whole and streamed."""

    async def run() -> list[str]:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as client:
            return await asyncio.gather(*(_ask(client, number) for number in range(8)))

    async def _ask(client: AsyncOpenAI, number: int) -> str:
        messages = [{"role": "user", "content": f"Question {number}"}]
        if number % 2:
            answer = await client.chat.completions.create(model=MODEL, messages=messages)
            return answer.choices[0].message.content or ""
        stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers = asyncio.run(run())
    books.booked(8)

    assert all(answers)
    assert len(set(answers)) == 8


def test_named_provider(gateway: GatewayThread, books: Books) -> None:
    """Any configured OpenAI-compatible provider is reached by its name."""
    with OpenAI(base_url=f"{gateway.url}/providers/mistral/v1", api_key=KEY) as client:
        client.chat.completions.create(model="mistral-small-latest", messages=ASK)
    row = books.rows(1)[0]

    assert (row.facts.provider, row.facts.dialect) == ("mistral", "mistral")


def test_wrong_key(gateway: GatewayThread, books: Books) -> None:
    """A wrong virtual key is the exception for a wrong API key."""
    with (
        OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-not-ours") as client,
        pytest.raises(openai.AuthenticationError, match="virtual key") as caught,
    ):
        client.chat.completions.create(model=MODEL, messages=ASK)

    assert (caught.value.code, caught.value.request_id) == ("invalid_key", books.refused().facts.call_id)


def test_unmetered_route(client: OpenAI, books: Books) -> None:
    """A route that cannot be metered is not found, and says why."""
    with pytest.raises(openai.NotFoundError, match="cannot be metered") as caught:
        client.files.list()

    assert (caught.value.code, books.refused().error) == ("route_not_metered", "route_not_metered")


@pytest.mark.parametrize(
    ("fault", "exception", "status"),
    [
        ("unauthorized", openai.AuthenticationError, 401),
        ("ratelimit", openai.RateLimitError, 429),
        ("error500", openai.InternalServerError, 500),
        ("overloaded", openai.InternalServerError, 503),
    ],
)
def test_provider_error(
    client: OpenAI, books: Books, fault: str, exception: type[openai.APIStatusError], status: int
) -> None:
    """The provider's own error raises what it raises without a gateway."""
    with pytest.raises(exception) as caught:
        client.chat.completions.create(model=MODEL, messages=ASK, extra_headers={"x-sim-fault": fault})
    row, entry = books.one()

    assert (caught.value.status_code, entry.fault, row.outcome) == (status, fault, Outcome.ERROR)
    assert caught.value.response.headers.get("retry-after") == ("0" if status == 429 else None)
    assert caught.value.request_id == entry.provider_request_id


def test_bad_requests(client: OpenAI, books: Books) -> None:
    """A request the provider rejects, and one for a model it does not have."""
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model=MODEL, messages=[])
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-does-not-exist", messages=ASK)

    assert [pair.row.outcome for pair in books.booked(2)] == [Outcome.ERROR, Outcome.ERROR]


def test_retries(client: OpenAI, books: Books) -> None:
    """Each of the client's own retries is a call and a row of its own."""
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=1).chat.completions.create(
            model=MODEL, messages=ASK, extra_headers={"x-sim-fault": "error500"}
        )
    first, second = books.booked(2)

    assert first.facts.call_id != second.facts.call_id
    assert (first.facts.attempt, second.facts.attempt) == (1, 1)


def test_timeout(client: OpenAI, books: Books) -> None:
    """A client that gives up has its call metered to the end."""
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(
            model=MODEL, messages=ASK, extra_headers={"x-sim-latency-ms": "1500"}
        )

    assert books.one().row.outcome == Outcome.HANGUP


def test_hangup(gateway: GatewayThread, books: Books) -> None:
    """A client that leaves in the middle of a stream is charged what the provider charges."""
    with OpenAI(base_url=f"{gateway.url}/providers/slow-openai/v1", api_key=KEY) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=ASK, stream=True, extra_headers={"x-sim-output-tokens": "400"}
        )
        next(iter(stream))
        stream.close()
    row, entry = books.one()

    assert (row.outcome, entry.client_left) == (Outcome.HANGUP, False)
    assert entry.quantities["output_text"] == 400


def test_broken_stream(client: OpenAI, books: Books) -> None:
    """An error inside a stream raises the client's error; what was generated is estimated."""
    stream = client.chat.completions.create(
        model=MODEL, messages=ASK, stream=True, extra_headers={"x-sim-fault": "error-in-stream"}
    )
    with pytest.raises(openai.APIError, match="server had an error"):
        list(stream)

    assert books.rows(1)[0].outcome == Outcome.ERROR
