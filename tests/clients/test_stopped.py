"""Official clients read a stream that was stopped at its budget as one that reached its output cap."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from anthropic import Anthropic
from botocore.config import Config
from google import genai
from openai import OpenAI

from support.books import PROVIDER_ID, PROVIDER_KEY
from support.simulator import RunningSimulator
from support.stopping import stopping

ASK = [{"role": "user", "content": "How do I reconcile an invoice?"}]
CLAUDE = "claude-haiku-4-5-20251001"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


Opened = Callable[[Any], Any]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Enters clients, and closes them after the test."""
    with ExitStack() as stack:
        yield stack.enter_context


@pytest.mark.parametrize("usage", [True, False])
def test_openai_chat(opened: Opened, provider: RunningSimulator, *, usage: bool) -> None:
    """The last chunk of a chat finishes for its length, whether or not usage was asked for."""
    options = {"stream_options": {"include_usage": True}} if usage else {}
    with stopping("openai", provider.base_url, mount="/v1") as url:
        client = opened(OpenAI(base_url=f"{url}/v1", api_key="direct", max_retries=0))
        chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True, **options))

    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["length"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_openai_chat_helper(opened: Opened, provider: RunningSimulator) -> None:
    """The client's own accumulation ends with every answer finished: those for length that were not yet."""
    with stopping("openai", provider.base_url, mount="/v1") as url:
        client = opened(OpenAI(base_url=f"{url}/v1", api_key="direct", max_retries=0))
        with client.chat.completions.stream(model="gpt-4o-mini", messages=ASK, n=2) as stream:
            for _ in stream:
                pass
            snapshot = stream.current_completion_snapshot

    assert ["stop", "length"] == [choice.finish_reason for choice in snapshot.choices]


def test_openai_completions(opened: Opened, provider: RunningSimulator) -> None:
    """A legacy completion finishes for its length."""
    with stopping("openai", provider.base_url, mount="/v1") as url:
        client = opened(OpenAI(base_url=f"{url}/v1", api_key="direct", max_retries=0))
        chunks = list(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", stream=True))

    assert chunks[-1].choices[0].finish_reason == "length"


def test_openai_responses(opened: Opened, provider: RunningSimulator) -> None:
    """A response ends incomplete, for want of output tokens."""
    with stopping("openai", provider.base_url, mount="/v1") as url:
        client = opened(OpenAI(base_url=f"{url}/v1", api_key="direct", max_retries=0))
        events = list(client.responses.create(model="gpt-4.1", input="How do I reconcile?", stream=True))

    numbers = [event.sequence_number for event in events]
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("tools", [False, True])
def test_anthropic(opened: Opened, provider: RunningSimulator, *, tools: bool) -> None:
    """A message ends at its cap, its open block closed, and the client assembles it."""
    more = {"tools": [{"name": "f", "input_schema": WEATHER}], "tool_choice": {"type": "any"}} if tools else {}
    with stopping("anthropic", provider.base_url) as url:
        client = opened(Anthropic(base_url=url, api_key="direct", max_retries=0))
        with client.messages.stream(model=CLAUDE, max_tokens=400, messages=ASK, **more) as stream:
            kinds = [event.type for event in stream]
            message = stream.get_final_message()

    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens > 0
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == len(message.content)
    assert kinds[-1] == "message_stop"


def test_gemini(opened: Opened, provider: RunningSimulator) -> None:
    """Content ends for its tokens."""
    with stopping("gemini", provider.base_url) as url:
        client = opened(genai.Client(api_key="direct", http_options={"base_url": url}))
        chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="How?"))

    assert chunks[-1].candidates[0].finish_reason.name == "MAX_TOKENS"
    assert chunks[-1].usage_metadata.prompt_token_count == chunks[0].usage_metadata.prompt_token_count
    assert "".join(chunk.text or "" for chunk in chunks)


def bedrock(url: str):
    """boto3's client, with no account of this machine."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=PROVIDER_ID,
        aws_secret_access_key=PROVIDER_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_bedrock_converse(provider: RunningSimulator) -> None:
    """A conversation stops at its cap, its open block closed."""
    messages = [{"role": "user", "content": [{"text": "How do I reconcile an invoice?"}]}]
    with stopping("bedrock", provider.base_url) as url:
        answer = bedrock(url).converse_stream(modelId=f"anthropic.{CLAUDE}-v1:0", messages=messages)
        events = list(answer["stream"])

    assert {"messageStop": {"stopReason": "max_tokens"}} == events[-1]
    assert "contentBlockStop" in events[-2]


def test_bedrock_invoke(provider: RunningSimulator) -> None:
    """Claude's own events end inside Bedrock's."""
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 300, "messages": ASK})
    with stopping("bedrock", provider.base_url) as url:
        answer = bedrock(url).invoke_model_with_response_stream(modelId=f"anthropic.{CLAUDE}-v1:0", body=body)
        events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]

    assert [event["type"] for event in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
