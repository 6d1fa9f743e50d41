"""The official OpenAI client's Azure class, unmodified, against the gateway."""

import asyncio
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI

from bursar.events import Outcome
from support.books import Books, without_fresh
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

KEY = "vk-clients"
MODEL = "gpt-4o-mini"
VERSION = "2025-04-01-preview"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "How do I reconcile an invoice?"}]}


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[AzureOpenAI]:
    """The client as a user configures it: endpoint and virtual key."""
    with AzureOpenAI(azure_endpoint=f"{gateway.url}/azure", api_key=KEY, api_version=VERSION, max_retries=0) as made:
        yield made


@pytest.fixture
def direct(provider: RunningSimulator) -> Iterator[AzureOpenAI]:
    """The same client without a gateway between."""
    with AzureOpenAI(azure_endpoint=provider.base_url, api_key="direct", api_version=VERSION) as made:
        yield made


def test_deployment(client: AzureOpenAI, direct: AzureOpenAI, books: Books) -> None:
    """The deployment stands in the path; whole and streamed answers are the provider's own."""
    raw = client.chat.completions.with_raw_response.create(**ASK)
    streamed = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(**streamed))
    first, second = books.booked(2)

    assert without_fresh(direct.chat.completions.create(**ASK)) == without_fresh(raw.parse())
    assert [without_fresh(one) for one in direct.chat.completions.create(**streamed)] == [
        without_fresh(one) for one in chunks
    ]
    assert raw.headers["x-bursar-request-id"] == first.facts.call_id
    assert first.entry.path == "/openai/deployments/gpt-4o-mini/chat/completions"
    assert (first.facts.provider, second.facts.stream) == ("azure", True)


def test_stream_without_usage(client: AzureOpenAI, books: Books) -> None:
    """A stream that does not ask for its usage is metered, and shows none."""
    chunks = list(client.chat.completions.create(**ASK, stream=True))
    books.one()

    assert all(chunk.usage is None for chunk in chunks)


def test_fixed_deployment(gateway: GatewayThread, books: Books) -> None:
    """A client that is bound to one deployment, authenticated by a bearer token."""
    with AzureOpenAI(
        azure_endpoint=f"{gateway.url}/azure", azure_deployment=MODEL, azure_ad_token=KEY, api_version=VERSION
    ) as client:
        client.chat.completions.create(**ASK)
        client.embeddings.create(model="text-embedding-3-small", input="one")

    assert [pair.facts.principal.key for pair in books.booked(2)] == ["clients", "clients"]


def test_v1(gateway: GatewayThread, books: Books) -> None:
    """The version-free paths, with the plain client."""
    with OpenAI(base_url=f"{gateway.url}/azure/openai/v1/", api_key=KEY) as client:
        answer = client.responses.create(model=MODEL, input="How do I reconcile an invoice?")
        chat = client.chat.completions.create(**ASK)
    first, second = books.booked(2)

    assert answer.output_text
    assert chat.choices[0].message.content
    assert (first.entry.path, second.entry.path) == ("/openai/v1/responses", "/openai/v1/chat/completions")


def test_async(gateway: GatewayThread, books: Books) -> None:
    """The asynchronous client."""

    async def run() -> str:
        async with AsyncAzureOpenAI(azure_endpoint=f"{gateway.url}/azure", api_key=KEY, api_version=VERSION) as client:
            stream = await client.chat.completions.create(**ASK, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert asyncio.run(run())
    books.one()


def test_wrong_key(gateway: GatewayThread, books: Books) -> None:
    """A wrong virtual key is the exception for a wrong API key."""
    with (
        AzureOpenAI(azure_endpoint=f"{gateway.url}/azure", api_key="not-ours", api_version=VERSION) as client,
        pytest.raises(openai.AuthenticationError, match="virtual key"),
    ):
        client.chat.completions.create(**ASK)

    assert books.refused().error == "invalid_key"


def test_unmetered_route(client: AzureOpenAI, books: Books) -> None:
    """A route that cannot be metered is not found, and says why."""
    with pytest.raises(openai.NotFoundError, match="cannot be metered"):
        client.files.list()

    assert books.refused().error == "route_not_metered"


@pytest.mark.parametrize(
    ("fault", "exception"), [("ratelimit", openai.RateLimitError), ("error500", openai.InternalServerError)]
)
def test_provider_error(client: AzureOpenAI, books: Books, fault: str, exception: type[openai.APIStatusError]) -> None:
    """The provider's own error raises what it raises without a gateway."""
    with pytest.raises(exception):
        client.chat.completions.create(**ASK, extra_headers={"x-sim-fault": fault})

    assert books.one().row.outcome == Outcome.ERROR


def test_retries(client: AzureOpenAI, books: Books) -> None:
    """Each of the client's own retries is a call and a row of its own."""
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=1).chat.completions.create(**ASK, extra_headers={"x-sim-fault": "error500"})
    first, second = books.booked(2)

    assert first.facts.call_id != second.facts.call_id
