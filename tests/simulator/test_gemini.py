"""Gemini endpoints of the simulator, through the official client."""

import asyncio

import pytest
from google import genai
from google.genai import errors, types

from support.simulator import RunningSimulator

LONG = "The quick brown fox jumps over the lazy dog. " * 200


@pytest.fixture
def client(provider: RunningSimulator):
    """The official client, without retries."""
    options = types.HttpOptions(base_url=provider.base_url, retry_options=types.HttpRetryOptions(attempts=1))
    made = genai.Client(api_key="test", http_options=options)
    yield made
    made.close()


def test_whole_answer(client: genai.Client, provider: RunningSimulator):
    """A whole answer carries text, and thoughts are counted beside it."""
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="What should we do next?")

    usage = answer.usage_metadata
    entry = provider.last()
    assert answer.text
    assert usage.thoughts_token_count == entry.quantities["output_reasoning"]
    assert usage.candidates_token_count == entry.quantities["output_text"]
    assert usage.total_token_count == sum(entry.quantities.values())
    assert entry.response_id == answer.response_id


def test_stream(client: genai.Client, provider: RunningSimulator):
    """Every chunk counts what there is so far; the last one has it all."""
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="What should we do next?"))

    running = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert running == sorted(running)
    assert chunks[-1].usage_metadata.total_token_count == provider.last().usage["totalTokenCount"]


def test_async_stream(client: genai.Client, provider: RunningSimulator):
    """The asynchronous client reads the same stream."""

    async def read() -> int:
        stream = await client.aio.models.generate_content_stream(model="gemini-2.0-flash", contents="And now?")
        last = [chunk async for chunk in stream][-1]
        await client.aio.aclose()
        return last.usage_metadata.total_token_count

    assert asyncio.run(read()) == provider.last().usage["totalTokenCount"]


def test_schema(client: genai.Client):
    """An answer with a response schema conforms to it."""
    schema = types.Schema(
        type=types.Type.OBJECT,
        properties={
            "name": types.Schema(type=types.Type.STRING),
            "colour": types.Schema(type=types.Type.STRING, enum=["red", "green"]),
            "sizes": types.Schema(type=types.Type.ARRAY, items=types.Schema(type=types.Type.INTEGER), min_items=2),
        },
        required=["name", "colour", "sizes"],
    )
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Go", config=config)

    found = answer.parsed
    assert found["colour"] in ("red", "green")
    assert all(isinstance(one, int) for one in found["sizes"])


def test_function_call(client: genai.Client):
    """A forced function is called with arguments that fit its declaration."""
    declaration = types.FunctionDeclaration(
        name="get_weather",
        parameters=types.Schema(
            type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
        ),
    )
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declaration])],
        tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
    )
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Go", config=config)

    assert (answer.function_calls[0].name, set(answer.function_calls[0].args)) == ("get_weather", {"city"})


def test_image(client: genai.Client, provider: RunningSimulator):
    """An image is counted as an image."""
    picture = types.Part.from_bytes(data=b"\x89PNG not really", mime_type="image/png")
    client.models.generate_content(model="gemini-2.5-flash", contents=[picture, "What is this?"])

    assert provider.last().quantities["input_image"] == 258


def test_implicit_cache(client: genai.Client):
    """A long prompt that was seen before is mostly read from the cache."""
    first = client.models.generate_content(model="gemini-2.5-pro", contents=LONG)
    second = client.models.generate_content(model="gemini-2.5-pro", contents=LONG)

    assert first.usage_metadata.cached_content_token_count is None
    assert second.usage_metadata.cached_content_token_count == len(LONG) // 4 // 128 * 128


def test_embeddings(client: genai.Client, provider: RunningSimulator):
    """Each content becomes a vector, and the tokens are billed though the answer does not name them."""
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["one text", "another text"])

    assert len(answer.embeddings) == 2
    assert provider.last().quantities == {"input_text": 5}


def test_count_tokens(client: genai.Client):
    """Counting gives what an answer is then charged for."""
    counted = client.models.count_tokens(model="gemini-2.5-flash", contents="What should we do next?")

    assert counted.total_tokens == 6


@pytest.mark.parametrize(
    ("fault", "expected"), [("ratelimit", 429), ("unauthorized", 401), ("error500", 500), ("overloaded", 503)]
)
def test_fault(client: genai.Client, fault: str, expected: int):
    """Each fault raises the client's own exception with the right code."""
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-sim-fault": fault}))
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model="gemini-2.5-flash", contents="And now?", config=config)

    assert caught.value.code == expected
