"""Bedrock endpoints of the simulator, through boto3."""

import json

import boto3
import botocore.config
import botocore.exceptions
import pytest

from support.simulator import RunningSimulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
LONG = "The quick brown fox jumps over the lazy dog. " * 200
QUESTION = [{"role": "user", "content": [{"text": "What should we do next?"}]}]


@pytest.fixture
def client(provider: RunningSimulator):
    """The official client, without retries, with made-up credentials."""
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=provider.base_url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


def test_converse(client, provider: RunningSimulator):
    """A whole answer carries text and the usage that the account holds."""
    answer = client.converse(modelId=NOVA, messages=QUESTION, inferenceConfig={"maxTokens": 30})

    entry = provider.last()
    assert answer["output"]["message"]["content"][0]["text"]
    assert answer["usage"]["outputTokens"] == entry.usage["outputTokens"] == 30
    assert (answer["stopReason"], entry.credential) == ("max_tokens", "AKIDEXAMPLE")


def test_converse_stream(client, provider: RunningSimulator):
    """The binary stream is read by botocore, and its metadata event carries the usage."""
    events = list(client.converse_stream(modelId=NOVA, messages=QUESTION)["stream"])

    kinds = [next(iter(event)) for event in events]
    assert (kinds[0], kinds[-2], kinds[-1]) == ("messageStart", "messageStop", "metadata")
    assert events[-1]["metadata"]["usage"]["totalTokens"] == provider.last().usage["totalTokens"]


def test_tool(client):
    """A forced tool is called with arguments that fit its schema, whole and streamed."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    config = {
        "tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": schema}}}],
        "toolChoice": {"tool": {"name": "get_weather"}},
    }
    whole = client.converse(modelId=CLAUDE, messages=QUESTION, toolConfig=config)
    stream = client.converse_stream(modelId=CLAUDE, messages=QUESTION, toolConfig=config)["stream"]
    parts = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in stream if "contentBlockDelta" in event
    ]

    assert set(whole["output"]["message"]["content"][0]["toolUse"]["input"]) == {"city"}
    assert set(json.loads("".join(parts))) == {"city"}


def test_cache_points(client):
    """What lies before a cache point is written once and then read; inputTokens excludes it."""
    system = [{"text": LONG}, {"cachePoint": {"type": "default"}}]
    first = client.converse(modelId=CLAUDE, messages=QUESTION, system=system)["usage"]
    second = client.converse(modelId=CLAUDE, messages=QUESTION, system=system)["usage"]

    size = len(LONG) // 4
    assert (first["cacheWriteInputTokens"], first["inputTokens"]) == (size, 6)
    assert (second["cacheReadInputTokens"], second["inputTokens"]) == (size, 6)


def test_invoke(client, provider: RunningSimulator):
    """InvokeModel speaks Anthropic's own body for Anthropic's models."""
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": QUESTION_TEXT}
    answer = client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    message = json.loads(answer["body"].read())

    assert message["usage"] == provider.last().usage
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"] == str(
        message["usage"]["output_tokens"]
    )


QUESTION_TEXT = [{"role": "user", "content": "What should we do next?"}]


def test_invoke_stream(client, provider: RunningSimulator):
    """A stream of InvokeModel wraps Anthropic's events, and the last one carries the metrics."""
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": QUESTION_TEXT}
    stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]

    entry = provider.last()
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == entry.usage["output_tokens"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("ratelimit", "ThrottlingException"),
        ("error500", "InternalServerException"),
        ("overloaded", "ServiceUnavailableException"),
        ("unauthorized", "UnrecognizedClientException"),
    ],
)
def test_fault(client, fault: str, expected: str):
    """Each fault raises the error with AWS's own code."""
    client.meta.events.register(
        "before-sign.bedrock-runtime.*", lambda request, **_: request.headers.add_header("x-sim-fault", fault)
    )
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.converse(modelId=NOVA, messages=QUESTION)

    assert caught.value.response["Error"]["Code"] == expected


def test_error_in_stream(client):
    """A failure inside a stream is a modelled exception of the event stream."""
    client.meta.events.register(
        "before-sign.bedrock-runtime.*",
        lambda request, **_: request.headers.add_header("x-sim-fault", "error-in-stream"),
    )
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        list(client.converse_stream(modelId=NOVA, messages=QUESTION)["stream"])

    assert "modelStreamErrorException" in str(caught.value)
