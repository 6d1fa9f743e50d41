"""Anthropic messages of the simulator, through the official client."""

import anthropic
import pytest

from support.simulator import RunningSimulator

TOOL = {
    "name": "get_weather",
    "description": "Weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"],
    },
}

LONG = "The quick brown fox jumps over the lazy dog. " * 200


@pytest.fixture
def client(provider: RunningSimulator):
    """The official client, without retries."""
    with anthropic.Anthropic(base_url=provider.base_url, api_key="sk-ant-test", max_retries=0) as made:
        yield made


def ask(client: anthropic.Anthropic, **more: object):
    """One message with the usual arguments."""
    asked = {"model": "claude-haiku-4-5", "max_tokens": 500, "messages": [{"role": "user", "content": "And now?"}]}
    return client.messages.create(**{**asked, **more})


def test_whole_answer(client: anthropic.Anthropic, provider: RunningSimulator):
    """A whole message carries text and the usage that the account holds."""
    message = ask(client)

    entry = provider.last()
    assert message.content[0].text
    assert entry.usage == message.usage.model_dump(exclude_none=True)
    assert (entry.response_id, entry.model) == (message.id, "claude-haiku-4-5-20251001")


def test_stream(client: anthropic.Anthropic, provider: RunningSimulator):
    """A stream accumulates to a message whose counts are the account's."""
    with client.messages.stream(
        model="claude-haiku-4-5", max_tokens=400, messages=[{"role": "user", "content": "And now?"}]
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()

    entry = provider.last()
    assert message.content[0].text == text
    assert (message.usage.input_tokens, message.usage.output_tokens) == (
        entry.usage["input_tokens"],
        entry.usage["output_tokens"],
    )
    assert entry.usage_sent


def test_max_tokens(client: anthropic.Anthropic):
    """An answer that is too long is cut at the limit and says so."""
    message = ask(client, max_tokens=5)

    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)


def test_thinking(client: anthropic.Anthropic, provider: RunningSimulator):
    """Thinking comes first and is counted among the output tokens."""
    message = ask(client, thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000)

    entry = provider.last()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.usage.output_tokens == entry.quantities["output_text"] + entry.quantities["output_reasoning"]


def test_tool(client: anthropic.Anthropic):
    """A forced tool is called with arguments that fit its schema, whole and streamed alike."""
    whole = ask(client, tools=[TOOL], tool_choice={"type": "any"})
    with client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=500,
        messages=[{"role": "user", "content": "What is the weather like?"}],
        tools=[TOOL],
    ) as stream:
        streamed = stream.get_final_message()

    assert (whole.stop_reason, streamed.stop_reason) == ("tool_use", "tool_use")
    for message in (whole, streamed):
        assert set(message.content[0].input) == {"city", "days"}
        assert 1 <= message.content[0].input["days"] <= 7


def test_prompt_cache(client: anthropic.Anthropic):
    """A marked prefix is written once and then read; input tokens hold neither."""
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first = ask(client, system=system).usage
    second = ask(client, system=system, messages=[{"role": "user", "content": "Another one?"}]).usage

    size = len(LONG) // 4
    assert (first.cache_creation.ephemeral_1h_input_tokens, first.cache_read_input_tokens) == (size, 0)
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, size)
    assert (first.input_tokens, second.input_tokens) == (2, 3)


def test_count_tokens(client: anthropic.Anthropic, provider: RunningSimulator):
    """Counting is free and gives what a message is then charged for."""
    counted = client.messages.count_tokens(model="claude-haiku-4-5", messages=[{"role": "user", "content": "And now?"}])

    message = ask(client)
    assert counted.input_tokens == message.usage.input_tokens
    assert [entry.billed for entry in provider.entries(2)] == [False, True]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("ratelimit", anthropic.RateLimitError),
        ("unauthorized", anthropic.AuthenticationError),
        ("error500", anthropic.InternalServerError),
        ("overloaded", anthropic.InternalServerError),
        ("reset-mid-stream", anthropic.APIConnectionError),
    ],
)
def test_fault(client: anthropic.Anthropic, fault: str, expected: type[Exception]):
    """Each fault raises the client's own exception."""
    with pytest.raises(expected):
        ask(client, extra_headers={"x-sim-fault": fault})


def test_rate_limit_says_when(client: anthropic.Anthropic):
    """A rate limit carries retry-after."""
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client, extra_headers={"x-sim-fault": "ratelimit"})

    assert caught.value.response.headers["retry-after"] == "1"


def test_overloaded_is_529(client: anthropic.Anthropic):
    """Overload is Anthropic's own status and error type."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, extra_headers={"x-sim-fault": "overloaded"})

    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (529, "overloaded_error")


def test_error_in_stream(client: anthropic.Anthropic, provider: RunningSimulator):
    """An error event breaks a stream off, and what was generated until then is billed."""
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=400,
            messages=[{"role": "user", "content": "And now?"}],
            extra_headers={"x-sim-fault": "error-in-stream"},
        ) as stream,
    ):
        stream.until_done()

    entry = provider.last()
    assert (entry.billed, entry.usage_sent) == (True, False)


def test_models(client: anthropic.Anthropic):
    """The model list is Anthropic's when the version header is there."""
    assert all(model.id.startswith("claude-") for model in client.models.list())
