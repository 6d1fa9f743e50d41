"""OpenAI chat completions of the simulator, through the official client."""

import asyncio
import json

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from support.simulator import RunningSimulator

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What should we do next?"}]


@pytest.fixture
def client(provider: RunningSimulator):
    """The official client, without retries."""
    with openai.OpenAI(base_url=f"{provider.base_url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


def test_whole_answer(client: openai.OpenAI, provider: RunningSimulator):
    """A whole answer carries text and the usage that the account holds."""
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)

    entry = provider.last()
    assert answer.choices[0].message.content
    assert entry.usage == answer.usage.model_dump(exclude_none=True)
    assert (entry.response_id, entry.model) == (answer.id, "gpt-4o-mini-2024-07-18")
    assert entry.usage_sent


def test_stream(client: openai.OpenAI, provider: RunningSimulator):
    """A stream's last chunk carries the usage when asked for, and its text is the whole answer's."""
    whole = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, max_tokens=40)
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )

    assert provider.last(2).usage == chunks[-1].usage.model_dump(exclude_none=True)
    assert whole.choices[0].finish_reason == "length"
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_stream_without_usage(client: openai.OpenAI, provider: RunningSimulator):
    """A stream whose caller did not ask for usage carries none, and is billed all the same."""
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))

    entry = provider.last()
    assert all(chunk.usage is None for chunk in chunks)
    assert (entry.billed, entry.usage_sent) == (True, False)


@pytest.mark.parametrize("stream", [False, True])
def test_forced_tool(client: openai.OpenAI, *, stream: bool):
    """A forced tool is called with arguments that fit its schema."""
    asked = {"model": "gpt-4o", "messages": QUESTION, "tools": [WEATHER], "tool_choice": "required"}
    if stream:
        parts = [
            chunk.choices[0].delta.tool_calls[0].function.arguments
            for chunk in client.chat.completions.create(**asked, stream=True)
            if chunk.choices[0].delta.tool_calls
        ]
        arguments = "".join(parts)
    else:
        answer = client.chat.completions.create(**asked)
        assert answer.choices[0].finish_reason == "tool_calls"
        arguments = answer.choices[0].message.tool_calls[0].function.arguments

    found = json.loads(arguments)
    assert (set(found), found["unit"] in ("C", "F")) == ({"city", "unit"}, True)


def test_asked_for_tool(client: openai.OpenAI):
    """A tool on offer is used when the question speaks of it, and not when its result is handed back."""
    question: ChatCompletionMessageParam = {"role": "user", "content": "How is the weather in Oslo?"}
    first = client.chat.completions.create(model="gpt-4o", messages=[question], tools=[WEATHER])
    call = first.choices[0].message.tool_calls[0]
    second = client.chat.completions.create(
        model="gpt-4o",
        messages=[
            question,
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "12 C"},
        ],
        tools=[WEATHER],
    )

    assert call.function.name == "get_weather"
    assert second.choices[0].message.content


def test_async_clients(provider: RunningSimulator):
    """Twenty concurrent callers get twenty different ids, and twenty entries add up to what they saw."""

    async def ask_all() -> list[int]:
        async with openai.AsyncOpenAI(base_url=f"{provider.base_url}/v1", api_key="k", max_retries=0) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(
                        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Question {number}"}]
                    )
                    for number in range(20)
                )
            )
        assert len({answer.id for answer in answers}) == 20
        return [answer.usage.total_tokens for answer in answers]

    seen = sum(asyncio.run(ask_all()))

    provider.entries(20)
    assert sum(provider.account.summary().quantities.values()) == seen


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("ratelimit", openai.RateLimitError),
        ("unauthorized", openai.AuthenticationError),
        ("error500", openai.InternalServerError),
        ("overloaded", openai.InternalServerError),
        ("reset-before-head", openai.APIConnectionError),
        ("reset-mid-stream", openai.APIConnectionError),
    ],
)
def test_fault(client: openai.OpenAI, provider: RunningSimulator, fault: str, expected: type[Exception]):
    """Each fault raises the client's own exception; refusals are not billed, broken answers are."""
    with pytest.raises(expected):
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, extra_headers={"x-sim-fault": fault})

    assert provider.last().billed == fault.startswith("reset")


def test_unknown_model(client: openai.OpenAI):
    """A model that does not exist is not found, with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-does-not-exist", messages=QUESTION)

    assert caught.value.code == "model_not_found"
