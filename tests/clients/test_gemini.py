"""The official Google Gen AI client for Python, unmodified, against the gateway."""

import asyncio
from collections.abc import Iterator

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from bursar.events import Outcome, PriceStatus, UsageStatus
from support.books import Books
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

KEY = "vk-clients"
MODEL = "gemini-2.5-flash"
ASK = "How do I reconcile an invoice?"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="Current weather of a city",
    parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
)


class Invoice(BaseModel):
    """A structured answer."""

    number: str
    total: float


def connect(base_url: str, key: str = KEY, **options: object) -> genai.Client:
    """The client as a user configures it: base URL and virtual key."""
    return genai.Client(api_key=key, http_options={"base_url": base_url, **options})


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[genai.Client]:
    """A client of the gateway."""
    with connect(f"{gateway.url}/gemini") as made:
        yield made


@pytest.fixture
def direct(provider: RunningSimulator) -> Iterator[genai.Client]:
    """The same client without a gateway between."""
    with connect(provider.base_url, "direct") as made:
        yield made


def headers(**values: str) -> types.GenerateContentConfig:
    """A request's own headers."""
    named = {name.replace("_", "-"): value for name, value in values.items()}
    return types.GenerateContentConfig(http_options={"headers": named})


def plain(answer: types.GenerateContentResponse) -> dict[str, object]:
    """What an answer says, without its id and HTTP headers."""
    return answer.model_dump(mode="json", exclude={"response_id", "sdk_http_response", "parsed"})


def test_content(client: genai.Client, direct: genai.Client, books: Books) -> None:
    """An answer is the provider's own; cost and request id stand in the headers that the client keeps."""
    answer = client.models.generate_content(model=MODEL, contents=ASK)
    row = books.one().row
    said = answer.sdk_http_response.headers

    assert plain(direct.models.generate_content(model=MODEL, contents=ASK)) == plain(answer)
    assert said["x-bursar-request-id"] == row.facts.call_id
    assert round(float(said["x-bursar-cost-usd"]) * 10**12) == row.cost


def test_tags(gateway: GatewayThread, books: Books) -> None:
    """Tags come from the client's headers and from a request's own."""
    with connect(f"{gateway.url}/gemini", headers={"x-bursar-feature": "chat"}) as client:
        client.models.generate_content(
            model=MODEL, contents=ASK, config=headers(x_bursar_task="task-7", x_bursar_user="u-1")
        )
    facts = books.one().facts

    assert (facts.tags, facts.task) == ((("feature", "chat"), ("user", "u-1")), "task-7")


def test_stream(client: genai.Client, direct: genai.Client, books: Books) -> None:
    """A stream arrives chunk for chunk as the provider sends it."""
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=ASK))
    row = books.one().row
    expected = direct.models.generate_content_stream(model=MODEL, contents=ASK)

    assert [plain(one) for one in expected] == [plain(one) for one in chunks]
    assert chunks[0].sdk_http_response.headers["x-bursar-request-id"] == row.facts.call_id


def test_stream_cost_comment(client: genai.Client, books: Books) -> None:
    """Asking for a cost comment does no harm: this client cannot read comments, so none is sent."""
    asked = headers(x_bursar_stream_cost="comment")
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=ASK, config=asked))
    books.one()

    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_tools(client: genai.Client, books: Books) -> None:
    """A function call and its result make a round trip."""
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])
    contents = [types.Content(role="user", parts=[types.Part(text="What is the weather in Oslo?")])]
    asked = client.models.generate_content(model=MODEL, contents=contents, config=config)
    (call,) = asked.function_calls
    contents += [
        asked.candidates[0].content,
        types.Content(role="user", parts=[types.Part.from_function_response(name=call.name, response={"degrees": 12})]),
    ]
    answered = client.models.generate_content(model=MODEL, contents=contents, config=config)
    books.booked(2)

    assert (call.name, "city" in call.args, bool(answered.text)) == ("get_weather", True, True)


def test_automatic_tools(client: genai.Client, books: Books) -> None:
    """The client's own loop over a Python function is two calls."""

    def get_weather(city: str) -> str:
        """Return the current weather of a city."""
        return f"12 degrees in {city}"

    answer = client.models.generate_content(
        model=MODEL, contents="What is the weather in Oslo?", config=types.GenerateContentConfig(tools=[get_weather])
    )
    books.booked(2)

    assert answer.text


def test_structured(client: genai.Client, books: Books) -> None:
    """A JSON schema gets an object of that shape, parsed by the client."""
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Invoice)
    answer = client.models.generate_content(model=MODEL, contents=ASK, config=config)
    books.one()

    assert isinstance(answer.parsed, Invoice)


def test_image(client: genai.Client, books: Books) -> None:
    """An image in the prompt is metered as image tokens."""
    image = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n" + bytes(32), mime_type="image/png")
    client.models.generate_content(model=MODEL, contents=["What is this?", image])

    assert books.one().entry.quantities["input_image"] > 0


def test_chat(client: genai.Client, books: Books) -> None:
    """A chat session sends its history along, each turn one call."""
    chat = client.chats.create(model=MODEL)
    chat.send_message("Hello")
    list(chat.send_message_stream("And now?"))
    first, second = books.booked(2)

    assert second.entry.quantities["input_text"] > first.entry.quantities["input_text"]


def test_embeddings(client: genai.Client, direct: genai.Client, books: Books) -> None:
    """Embeddings are the provider's; where the answer reports no usage, it is estimated and marked so."""
    got = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    row = books.rows(1)[0]
    expected = direct.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])

    assert [one.values for one in expected.embeddings] == [one.values for one in got.embeddings]
    assert (row.facts.operation, row.usage_status) == ("embed_content", UsageStatus.ESTIMATED)


def test_free_routes(client: genai.Client, direct: genai.Client, books: Books) -> None:
    """Models and token counts are recorded and cost nothing."""
    models = [one.name for one in client.models.list()]
    counted = client.models.count_tokens(model=MODEL, contents=ASK)
    rows = [pair.row for pair in books.booked(2)]

    assert [one.name for one in direct.models.list()] == models
    assert counted.total_tokens > 0
    assert {row.price_status for row in rows} == {PriceStatus.NOT_BILLED}


def test_async(gateway: GatewayThread, books: Books) -> None:
    """The asynchronous client, many calls at once, whole and streamed."""

    async def run() -> list[str]:
        async with connect(f"{gateway.url}/gemini").aio as client:
            return await asyncio.gather(*(_ask(client, number) for number in range(8)))

    async def _ask(client: genai.client.AsyncClient, number: int) -> str:
        if number % 2:
            return (await client.models.generate_content(model=MODEL, contents=f"Question {number}")).text
        stream = await client.models.generate_content_stream(model=MODEL, contents=f"Question {number}")
        return "".join([chunk.text or "" async for chunk in stream])

    answers = asyncio.run(run())
    books.booked(8)

    assert len(set(answers)) == 8


def test_wrong_key(gateway: GatewayThread, books: Books) -> None:
    """A wrong virtual key is a client error in Google's words."""
    with (
        connect(f"{gateway.url}/gemini", "AIza-not-ours") as client,
        pytest.raises(errors.ClientError, match="virtual key") as caught,
    ):
        client.models.generate_content(model=MODEL, contents=ASK)

    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    (detail,) = caught.value.details["error"]["details"]
    assert (detail["reason"], detail["metadata"]) == ("INVALID_KEY", {"request_id": books.refused().facts.call_id})


def test_unmetered_route(client: genai.Client, books: Books) -> None:
    """A route that cannot be metered is not found, and says why."""
    with pytest.raises(errors.ClientError, match="cannot be metered") as caught:
        client.caches.list()

    assert (caught.value.code, books.refused().error) == (404, "route_not_metered")


@pytest.mark.parametrize(
    ("fault", "exception", "status"),
    [
        ("unauthorized", errors.ClientError, 401),
        ("ratelimit", errors.ClientError, 429),
        ("error500", errors.ServerError, 500),
        ("overloaded", errors.ServerError, 503),
    ],
)
def test_provider_error(
    client: genai.Client, books: Books, fault: str, exception: type[errors.APIError], status: int
) -> None:
    """The provider's own error raises what it raises without a gateway."""
    with pytest.raises(exception) as caught:
        client.models.generate_content(model=MODEL, contents=ASK, config=headers(x_sim_fault=fault))
    row, entry = books.one()

    assert (caught.value.code, entry.fault, row.outcome) == (status, fault, Outcome.ERROR)
    assert caught.value.response.headers.get("retry-after") == ("0" if status == 429 else None)


def test_bad_requests(client: genai.Client, books: Books) -> None:
    """A request the provider rejects, and one for a model it does not have."""
    with pytest.raises(errors.ClientError, match="whole number") as invalid:
        client.models.generate_content(model=MODEL, contents=ASK, config=headers(x_sim_output_tokens="many"))
    with pytest.raises(errors.ClientError) as unknown:
        client.models.generate_content(model="gemini-does-not-exist", contents=ASK)

    assert (invalid.value.code, unknown.value.code) == (400, 404)
    assert [pair.row.outcome for pair in books.booked(2)] == [Outcome.ERROR, Outcome.ERROR]


def test_retries(gateway: GatewayThread, books: Books) -> None:
    """Each of the client's own retries is a call and a row of its own."""
    retrying = {"attempts": 2, "initial_delay": 0.01, "jitter": 0.01}
    with connect(f"{gateway.url}/gemini", retry_options=retrying) as client, pytest.raises(errors.ServerError):
        client.models.generate_content(model=MODEL, contents=ASK, config=headers(x_sim_fault="overloaded"))
    first, second = books.booked(2)

    assert first.facts.call_id != second.facts.call_id


def test_timeout(gateway: GatewayThread, books: Books) -> None:
    """A client that gives up has its call metered to the end."""
    with connect(f"{gateway.url}/gemini", timeout=200) as client, pytest.raises(Exception, match=r"(?i)timed out"):
        client.models.generate_content(model=MODEL, contents=ASK, config=headers(x_sim_latency_ms="1500"))

    assert books.one().row.outcome == Outcome.HANGUP


def test_hangup(gateway: GatewayThread, books: Books) -> None:
    """A client that leaves in the middle of a stream is charged what the provider charges."""
    with connect(f"{gateway.url}/providers/slow-gemini") as client:
        stream = client.models.generate_content_stream(
            model=MODEL, contents=ASK, config=headers(x_sim_output_tokens="400", x_sim_reasoning_tokens="0")
        )
        next(iter(stream))
        stream.close()
    row, entry = books.one()

    assert (row.outcome, entry.client_left) == (Outcome.HANGUP, False)
    assert entry.quantities["output_text"] == 400
