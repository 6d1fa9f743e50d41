"""Lowering a request's output cap, and nothing else of it."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.base import Request
from bursar.dialects.registry import dialect_for
from support.recorded import FOLDERS, exchanges

CHAT = "/chat/completions"
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
CONVERSE = "/model/amazon.nova-pro-v1:0/converse"
INVOKE = "/model/anthropic.claude-sonnet-4-20250514-v1:0/invoke"

texts = st.text(max_size=20)
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5)
others = st.dictionaries(texts.filter(lambda name: "ax" not in name), values, max_size=4)
layouts = st.sampled_from([{"separators": (",", ":")}, {"indent": 1}, {"indent": 4, "ensure_ascii": False}])


def capped(dialect: str, path: str, body: bytes, tokens: int) -> tuple[Request, Request | None]:
    """A request as it was read, and with its cap lowered."""
    speaks = dialect_for(dialect)
    endpoint = speaks.match("POST", path)
    request = speaks.read(endpoint, "application/json", body)
    return request, speaks.with_output_cap(endpoint, request, tokens)


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_recorded_requests(folder):
    """Every recorded request takes a cap, or says that its format has none; read again, that is the cap it has."""
    checked = 0
    for exchange in exchanges(folder):
        dialect = dialect_for(exchange.dialect)
        lower = dialect.with_output_cap(exchange.endpoint, exchange.request, 2_000_000)
        if lower is None:
            continue
        again = dialect.read(exchange.endpoint, exchange.content_type, lower.body)
        checked += 1

        assert again.max_output_tokens == lower.max_output_tokens, exchange.name
        assert again.reach == lower.reach, exchange.name
        if exchange.request.max_output_tokens is not None:
            assert lower == exchange.request, exchange.name

    assert checked or folder == "cohere"


@given(others, st.integers(1, 10**6), st.integers(1, 10**6), layouts)
def test_only_the_cap_changes(fields, stated, tokens, layout):
    """A cap that is too high is replaced in place, digit for digit; one that is low enough stays."""
    body = json.dumps(fields | {"model": "m", "max_tokens": stated} | {"messages": []}, **layout).encode()
    request, lower = capped("openai", CHAT, body, tokens)
    low = min(stated, tokens)

    assert lower.max_output_tokens == low
    assert json.loads(lower.body) == json.loads(body) | {"max_tokens": low}
    assert lower.body == re.sub(rb'(?<="max_tokens":)( ?)\d+', rb"\g<1>%d" % low, body)
    assert (lower.body is body) == (stated <= tokens)
    assert bool(lower.changes) == (stated > tokens)
    assert request.body is body


@given(others, st.integers(1, 10**6), layouts)
def test_a_cap_is_added(fields, tokens, layout):
    """Where the caller set no cap, one is written before the body's last brace."""
    body = json.dumps(fields | {"model": "m", "messages": []}, **layout).encode()
    _, lower = capped("openai", CHAT, body, tokens)

    assert lower.body.replace(b',"max_completion_tokens":%d' % tokens, b"") == body
    assert json.loads(lower.body) == json.loads(body) | {"max_completion_tokens": tokens}


@pytest.mark.parametrize(
    ("dialect", "path", "before", "after"),
    [
        ("openai", CHAT, '{"max_completion_tokens":9}', '{"max_completion_tokens":5}'),
        ("openai", CHAT, '{"max_tokens":9,"max_completion_tokens":8}', '{"max_tokens":5,"max_completion_tokens":5}'),
        ("openai", CHAT, '{"max_tokens":9,"max_tokens":3}', '{"max_tokens":5,"max_tokens":3}'),
        ("openai", CHAT, '{"max_tokens":9000,"max_completion_tokens":800}',
         '{"max_tokens":5,"max_completion_tokens":5}'),
        ("openai", CHAT, '{"max_tokens":null}', '{"max_tokens":5}'),
        ("openai", CHAT, '{"m\\u0061x_tokens" : 9}', '{"m\\u0061x_tokens" : 5}'),
        ("mistral", CHAT, "{}", '{"max_tokens":5}'),
        ("openai", "/completions", '{"max_tokens":9}', '{"max_tokens":5}'),
        ("anthropic", "/v1/messages", '{"model":"m","max_tokens":9}', '{"model":"m","max_tokens":5}'),
        ("gemini", GENERATE, "{}", '{"generationConfig":{"maxOutputTokens":5}}'),
        ("gemini", GENERATE, '{"generationConfig":{"seed":1}}', '{"generationConfig":{"seed":1,"maxOutputTokens":5}}'),
        ("gemini", GENERATE, '{"generation_config":{"max_output_tokens":"9"}}',
         '{"generation_config":{"max_output_tokens":5}}'),
        ("gemini", GENERATE, '{"generationConfig":{"maxOutputTokens":9},"generation_config":{}}',
         '{"generationConfig":{"maxOutputTokens":5},"generation_config":{"maxOutputTokens":5}}'),
        ("bedrock", CONVERSE, '{"inferenceConfig":{"maxTokens":9}}', '{"inferenceConfig":{"maxTokens":5}}'),
        ("bedrock", CONVERSE, '{"inferenceConfig":null}', '{"inferenceConfig":{"maxTokens":5}}'),
        ("bedrock", INVOKE, '{"anthropic_version":"x"}', '{"anthropic_version":"x","max_tokens":5}'),
        ("bedrock", INVOKE, '{"max_gen_len":9,"prompt":""}', '{"max_gen_len":5,"prompt":""}'),
        ("bedrock", INVOKE, '{"textGenerationConfig":{"maxTokenCount":9}}',
         '{"textGenerationConfig":{"maxTokenCount":5}}'),
        ("azure", "/openai/deployments/d/chat/completions", '{"max_tokens":9}', '{"max_tokens":5}'),
    ],
)  # fmt: skip
def test_each_format(dialect, path, before, after):
    """Each format keeps its cap in its own place, under the caller's own spelling."""
    _, lower = capped(dialect, path, before.encode(), 5)

    assert lower.body.decode() == after
    assert lower.max_output_tokens <= 5


@pytest.mark.parametrize(
    ("dialect", "path", "body", "tokens"),
    [
        ("openai", "/responses", '{"max_output_tokens":100}', 15),
        ("openai", "/embeddings", '{"input":"x"}', 15),
        ("openai", "/audio/speech", '{"input":"x"}', 15),
        ("anthropic", "/v1/messages",
         '{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024}}', 1024),
        ("anthropic", "/v1/messages/count_tokens", '{"model":"m"}', 15),
        ("gemini", "/v1beta/models/m:embedContent", "{}", 15),
        ("gemini", GENERATE, '{"generationConfig":[]}', 15),
        ("bedrock", CONVERSE,
         '{"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}}', 1024),
        ("bedrock", INVOKE, '{"prompt":"x"}', 15),
    ],
)  # fmt: skip
def test_no_such_cap(dialect, path, body, tokens):
    """A format without a cap, a cap below the least, or below what thinking is given, is declined."""
    assert capped(dialect, path, body.encode(), tokens)[1] is None


def test_answers_share_the_price_of_a_cap():
    """The cap of each answer is what the body says; the request's is that of all answers."""
    _, lower = capped("openai", CHAT, b'{"n":3,"max_tokens":9}', 5)

    assert (lower.body, lower.max_output_tokens) == (b'{"n":3,"max_tokens":5}', 15)
