"""The official Anthropic client for Python, unmodified, against the gateway."""

import asyncio
import base64
from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from bursar.events import Outcome, PriceStatus
from support.books import OWN_KEY, Books, without_fresh
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

KEY = "vk-clients"
MODEL = "claude-haiku-4-5-20251001"
ASK = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "How do I reconcile an invoice?"}]}
WEATHER = {
    "name": "get_weather",
    "description": "Current weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Invoice(BaseModel):
    """A structured answer."""

    number: str
    total: float


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[Anthropic]:
    """The client as a user configures it: base URL and virtual key."""
    with Anthropic(base_url=f"{gateway.url}/anthropic", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def direct(provider: RunningSimulator) -> Iterator[Anthropic]:
    """The same client without a gateway between."""
    with Anthropic(base_url=provider.base_url, api_key="direct", max_retries=0) as made:
        yield made


def test_message(client: Anthropic, direct: Anthropic, books: Books) -> None:
    """A message is the provider's own, and its cost and request id stand in the response's headers."""
    raw = client.messages.with_raw_response.create(**ASK)
    row = books.one().row

    assert without_fresh(direct.messages.create(**ASK)) == without_fresh(raw.parse())
    assert raw.headers["x-bursar-request-id"] == row.facts.call_id
    assert round(float(raw.headers["x-bursar-cost-usd"]) * 10**12) == row.cost


@pytest.mark.parametrize("path", ["", "/anthropic", "/providers/anthropic"])
@pytest.mark.parametrize("credential", ["api_key", "auth_token"])
def test_ways_in(gateway: GatewayThread, books: Books, path: str, credential: str) -> None:
    """The gateway's own address, the mount and the provider's name all work, with a key or a bearer token."""
    with Anthropic(base_url=f"{gateway.url}{path}", **{credential: KEY}) as client:
        client.messages.create(**ASK)

    assert books.one().facts.principal.key == "clients"


def test_tags(client: Anthropic, books: Books) -> None:
    """Tags come from default headers, a request's own headers and the body's metadata."""
    tagging = client.with_options(default_headers={"x-bursar-feature": "chat"})
    tagging.messages.create(**ASK, metadata={"user_id": "u-1"}, extra_headers={"x-bursar-task": "task-7"})
    facts = books.one().facts

    assert (facts.tags, facts.task) == ((("feature", "chat"), ("user", "u-1")), "task-7")


def test_own_login(gateway: GatewayThread, books: Books) -> None:
    """A provider without a key of ours gets the caller's own login; a header of ours says who pays."""
    with Anthropic(
        base_url=f"{gateway.url}/providers/own", auth_token=OWN_KEY, default_headers={"x-bursar-key": KEY}
    ) as client:
        client.messages.create(**ASK)
    facts, entry = books.one().facts, books.one().entry

    assert (facts.principal.key, entry.credential) == ("clients", OWN_KEY)


def test_environment(gateway: GatewayThread, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables alone are enough: address, token and tags."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", gateway.url)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-bursar-feature: chat\nx-bursar-environment: dev")
    with Anthropic() as client:
        client.messages.create(**ASK)

    assert books.one().facts.tags == (("environment", "dev"), ("feature", "chat"))


def test_stream(client: Anthropic, direct: Anthropic, books: Books) -> None:
    """A stream arrives event for event as the provider sends it, with its cost in a comment if asked for."""
    events = list(client.messages.create(**ASK, stream=True, extra_headers={"x-bursar-stream-cost": "comment"}))
    books.one()

    assert [without_fresh(one) for one in direct.messages.create(**ASK, stream=True)] == [
        without_fresh(one) for one in events
    ]


def test_stream_accumulated(client: Anthropic, books: Books) -> None:
    """The client's stream accumulator sees text and final message, and the request id."""
    with client.messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
        call_id = stream.response.headers["x-bursar-request-id"]
    row, entry = books.one()

    assert final.content[0].text == text
    assert final.usage.output_tokens == entry.quantities["output_text"]
    assert row.facts.call_id == call_id


def test_tools(client: Anthropic, books: Books) -> None:
    """A tool call and its result make a round trip, the first half streamed."""
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    ask = {"model": MODEL, "max_tokens": 4000, "tools": [WEATHER]}
    with client.messages.stream(**ask, messages=messages) as stream:
        asked = stream.get_final_message()
    (used,) = [block for block in asked.content if block.type == "tool_use"]
    messages += [
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used.id, "content": "12 degrees"}]},
    ]
    answered = client.messages.create(**ask, messages=messages)
    books.booked(2)

    assert (used.name, "city" in used.input, answered.stop_reason) == ("get_weather", True, "end_turn")


def test_structured(client: Anthropic, books: Books) -> None:
    """A JSON schema gets an object of that shape, parsed by the client."""
    parsed = client.messages.parse(**ASK, output_format=Invoice)
    books.one()

    assert isinstance(parsed.parsed_output, Invoice)


def test_image(client: Anthropic, books: Books) -> None:
    """An image in the prompt is billed as the provider counts it."""
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    client.messages.create(**{**ASK, "messages": [{"role": "user", "content": [image]}]})

    assert books.one().entry.quantities["input_text"] >= 1590


def test_prompt_cache(client: Anthropic, books: Books) -> None:
    """What a breakpoint writes and reads again is metered apart, with the price of its lifetime."""
    system = [{"type": "text", "text": "Rules. " * 2000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    client.messages.create(**ASK, system=system)
    client.messages.create(**ASK, system=system)
    written, read = (pair.entry.quantities for pair in books.booked(2))

    assert written["cache_write_1h"] == read["cache_read"]
    assert "cache_write_1h" not in read


def test_thinking(client: Anthropic, books: Books) -> None:
    """Extended thinking comes through, and is billed as output."""
    answer = client.messages.create(
        **{**ASK, "max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    )
    books.one()

    assert [block.type for block in answer.content] == ["thinking", "text"]


def test_free_routes(client: Anthropic, direct: Anthropic, books: Books) -> None:
    """Models and token counts are recorded and cost nothing."""
    models = client.models.list()
    counted = client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
    rows = [pair.row for pair in books.booked(2)]

    assert [one.id for one in direct.models.list()] == [one.id for one in models]
    assert counted.input_tokens > 0
    assert {row.price_status for row in rows} == {PriceStatus.NOT_BILLED}


def test_async(gateway: GatewayThread, books: Books) -> None:
    """The asynchronous client, many calls at once, whole and streamed."""

    async def run() -> list[str]:
        async with AsyncAnthropic(base_url=f"{gateway.url}/anthropic", api_key=KEY) as client:
            return await asyncio.gather(*(_ask(client, number) for number in range(8)))

    async def _ask(client: AsyncAnthropic, number: int) -> str:
        ask = {**ASK, "messages": [{"role": "user", "content": f"Question {number}"}]}
        if number % 2:
            return (await client.messages.create(**ask)).content[0].text
        async with client.messages.stream(**ask) as stream:
            return await stream.get_final_text()

    answers = asyncio.run(run())
    books.booked(8)

    assert len(set(answers)) == 8


def test_wrong_key(gateway: GatewayThread, books: Books) -> None:
    """A wrong virtual key is the exception for a wrong API key."""
    with (
        Anthropic(base_url=f"{gateway.url}/anthropic", api_key="sk-ant-not-ours") as client,
        pytest.raises(anthropic.AuthenticationError, match="virtual key") as caught,
    ):
        client.messages.create(**ASK)

    assert caught.value.body["error"]["code"] == "invalid_key"
    assert caught.value.body["request_id"] == books.refused().facts.call_id
    assert caught.value.request_id == books.refused().facts.call_id


def test_unmetered_route(client: Anthropic, books: Books) -> None:
    """A route that cannot be metered is not found, and says why."""
    with pytest.raises(anthropic.NotFoundError, match="cannot be metered"):
        client.messages.batches.list()

    assert books.refused().error == "route_not_metered"


@pytest.mark.parametrize(
    ("fault", "exception", "status"),
    [
        ("unauthorized", anthropic.AuthenticationError, 401),
        ("ratelimit", anthropic.RateLimitError, 429),
        ("error500", anthropic.InternalServerError, 500),
        ("overloaded", anthropic.InternalServerError, 529),
    ],
)
def test_provider_error(
    client: Anthropic, books: Books, fault: str, exception: type[anthropic.APIStatusError], status: int
) -> None:
    """The provider's own error raises what it raises without a gateway."""
    with pytest.raises(exception) as caught:
        client.messages.create(**ASK, extra_headers={"x-sim-fault": fault})
    row, entry = books.one()

    assert (caught.value.status_code, entry.fault, row.outcome) == (status, fault, Outcome.ERROR)
    assert caught.value.response.headers.get("retry-after") == ("0" if status == 429 else None)
    assert caught.value.request_id == entry.provider_request_id


def test_bad_requests(client: Anthropic, books: Books) -> None:
    """A request the provider rejects, and one for a model it does not have."""
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(**{**ASK, "messages": []})
    with pytest.raises(anthropic.NotFoundError, match="does-not-exist"):
        client.messages.create(**{**ASK, "model": "claude-does-not-exist"})

    assert [pair.row.outcome for pair in books.booked(2)] == [Outcome.ERROR, Outcome.ERROR]


def test_retries(client: Anthropic, books: Books) -> None:
    """Each of the client's own retries is a call and a row of its own."""
    with pytest.raises(anthropic.InternalServerError):
        client.with_options(max_retries=1).messages.create(**ASK, extra_headers={"x-sim-fault": "overloaded"})
    first, second = books.booked(2)

    assert first.facts.call_id != second.facts.call_id


def test_timeout(client: Anthropic, books: Books) -> None:
    """A client that gives up has its call metered to the end."""
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.2).messages.create(**ASK, extra_headers={"x-sim-latency-ms": "1500"})

    assert books.one().row.outcome == Outcome.HANGUP


def test_hangup(gateway: GatewayThread, books: Books) -> None:
    """A client that leaves in the middle of a stream is charged what the provider charges."""
    with (
        Anthropic(base_url=f"{gateway.url}/providers/slow-anthropic", api_key=KEY) as client,
        client.messages.stream(**ASK, extra_headers={"x-sim-output-tokens": "400"}) as stream,
    ):
        next(stream.text_stream)
    row, entry = books.one()

    assert (row.outcome, entry.client_left) == (Outcome.HANGUP, False)
    assert entry.quantities["output_text"] == 400


def test_broken_stream(client: Anthropic, books: Books) -> None:
    """An error inside a stream raises the client's error."""
    stream = client.messages.create(**ASK, stream=True, extra_headers={"x-sim-fault": "error-in-stream"})
    with pytest.raises(anthropic.APIStatusError, match=r"(?i)overloaded"):
        list(stream)

    assert books.rows(1)[0].outcome == Outcome.ERROR
