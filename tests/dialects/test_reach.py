"""What reaches past a request's bytes and its cap, format by format."""

import json

import pytest

from bursar.dialects.reach import Reach
from bursar.dialects.registry import dialect_for
from bursar.usage import Meter

CHAT, RESPONSES, MESSAGES = "/chat/completions", "/responses", "/v1/messages"
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
GENERATE_3 = "/v1beta/models/gemini-3-flash:generateContent"
EMBED = "/v1beta/models/gemini-embedding-001:batchEmbedContents"
CONVERSE, INVOKE = "/model/amazon.nova-pro-v1:0/converse", "/model/amazon.titan-text-express-v1/invoke"
PIXEL = "data:image/png;base64,AAAA"
DATA = {"mimeType": "image/png", "data": "AAAA"}
SEARCHES = int(Meter.SEARCHES)


def reach(dialect: str, path: str, body: dict) -> Reach:
    """What the dialect reads of a body."""
    speaks = dialect_for(dialect)
    endpoint = speaks.match("POST", path)
    return speaks.read(endpoint, "application/json", json.dumps({"model": "m"} | body).encode()).reach


def user(*parts: object) -> dict:
    """A body with one message of these parts."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


def item(**fields: object) -> dict:
    """A body with one input item."""
    return {"input": [fields]}


def contents(*parts: object) -> dict:
    """Gemini's body with these parts."""
    return {"contents": [{"role": "user", "parts": list(parts)}]}


@pytest.mark.parametrize(
    ("dialect", "path", "body"),
    [
        ("openai", CHAT, {"messages": [{"role": "user", "content": "hi"}]}),
        ("openai", CHAT, {"messages": [{"role": "assistant", "content": None}], "tools": [{"type": "function"}]}),
        ("openai", CHAT, user({"type": "text", "text": "hi"}, {"type": "refusal", "refusal": "no"})),
        ("openai", CHAT, {"messages": [], "plugins": [], "web_search_options": None, "prediction": None}),
        ("openai", RESPONSES, {"input": "hi", "tools": [{"type": "function"}, {"type": "custom"}]}),
        ("openai", RESPONSES, item(role="user", content=[{"type": "input_text", "text": "hi"}])),
        ("openai", RESPONSES, item(type="function_call_output", output="42")),
        ("openai", RESPONSES, item(type="reasoning", id="rs_1", encrypted_content="AAAA")),
        ("openai", "/embeddings", {"input": ["a", "b"]}),
        ("openai", "/embeddings", {"input": [[1, 2], [3]]}),
        ("anthropic", MESSAGES, {"messages": [{"role": "user", "content": "hi"}], "system": "be brief"}),
        ("anthropic", MESSAGES, user({"type": "text", "text": "hi"}, {"type": "tool_result", "content": "42"})),
        ("anthropic", MESSAGES, user({"type": "document", "source": {"type": "text", "data": "hi"}})),
        ("anthropic", MESSAGES, {"messages": [], "tools": [{"name": "f"}]}),
        ("anthropic", MESSAGES, {"messages": [], "context_management": {"edits": [{"type": "clear_tool_uses_1"}]}}),
        ("gemini", GENERATE, contents({"text": "hi"})),
        ("gemini", GENERATE, contents({"functionCall": {"name": "f"}}, {"text": "hi", "thought": True})),
        ("gemini", GENERATE, {"contents": "hi", "tools": [{"functionDeclarations": []}]}),
        ("gemini", EMBED, {"requests": [{"content": {"parts": [{"text": "hi"}]}}]}),
        ("bedrock", CONVERSE, user({"text": "hi"}, {"cachePoint": {"type": "default"}})),
        ("bedrock", CONVERSE, {"messages": [], "toolConfig": {"tools": [{"toolSpec": {}}]}}),
        ("bedrock", INVOKE, {"inputText": "hi"}),
    ],
)
def test_plain(dialect, path, body):
    """Text, calls of the caller's own tools and their results are inside the body's bytes."""
    found = reach(dialect, path, body)

    assert (found.open_input, found.images, found.rounds, found.fees, found.unbounded) == (None, 0, 1, (), None)


@pytest.mark.parametrize(
    ("dialect", "path", "body", "images", "media_bytes"),
    [
        ("openai", CHAT, user({"type": "image_url", "image_url": {"url": PIXEL}}), 1, len(PIXEL)),
        ("openai", CHAT, user({"type": "image_url", "image_url": PIXEL}), 1, len(PIXEL)),
        ("openai", CHAT, user({"type": "image_url", "image_url": {"url": "https://e.org/a"}}), 1, 0),
        ("openai", RESPONSES, item(role="user", content=[{"type": "input_image", "image_url": PIXEL}]), 1, len(PIXEL)),
        ("openai", RESPONSES, item(role="user", content=[{"type": "input_image", "file_id": "f"}]), 1, 0),
        ("openai", RESPONSES, item(type="computer_call_output", output={"type": "computer_screenshot"}), 1, 0),
        ("anthropic", MESSAGES, user({"type": "image", "source": {"type": "base64", "data": "AAAA"}}), 1, 4),
        ("anthropic", MESSAGES, user({"type": "tool_result", "content": [{"type": "image", "source": {}}]}), 1, 0),
        ("gemini", GENERATE, contents({"inlineData": DATA}, {"inline_data": DATA}), 2, 8),
        ("gemini", GENERATE, contents({"functionResponse": {"parts": [{"inlineData": DATA}]}}), 1, 4),
        ("bedrock", CONVERSE, user({"image": {"source": {"bytes": "AAAA"}}}), 1, 4),
        ("bedrock", CONVERSE, user({"toolResult": {"content": [{"image": {"source": {"s3Location": {}}}}]}}), 1, 0),
    ],
)  # fmt: skip
def test_images(dialect, path, body, images, media_bytes):
    """Images are counted, and their encoded bytes are told from text."""
    found = reach(dialect, path, body)

    assert (found.images, found.media_bytes, found.open_input) == (images, media_bytes, None)


@pytest.mark.parametrize(
    ("dialect", "path", "body"),
    [
        ("openai", CHAT, user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}})),
        ("openai", CHAT, user({"type": "file", "file": {"file_id": "f"}})),
        ("openai", CHAT, user({"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}})),
        ("openai", CHAT, user({"type": "of a new kind"})),
        ("openai", CHAT, user("a string among the parts", 7)),
        ("openai", CHAT, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}),
        ("openai", CHAT, {"messages": {"role": "user"}}),
        ("openai", CHAT, {"model": "gpt-4o-search-preview", "messages": []}),
        ("openai", RESPONSES, {"input": "hi", "previous_response_id": "r"}),
        ("openai", RESPONSES, {"input": "hi", "conversation": "c"}),
        ("openai", RESPONSES, {"prompt": {"id": "p"}}),
        ("openai", RESPONSES, item(type="item_reference", id="i")),
        ("openai", RESPONSES, item(type="reasoning", id="rs_1", summary=[])),
        ("openai", RESPONSES, item(role="user", content=[{"type": "input_file", "file_url": "https://e.org"}])),
        ("openai", "/embeddings", {"input": [{"image": "https://e.org"}]}),
        ("anthropic", MESSAGES, user({"type": "document", "source": {"type": "base64", "data": "AAAA"}})),
        ("anthropic", MESSAGES, user({"type": "document", "source": {"type": "url", "url": "https://e.org"}})),
        ("anthropic", MESSAGES, user({"type": "container_upload", "file_id": "f"})),
        ("anthropic", MESSAGES, {"messages": [], "system": [{"type": "of a new kind"}]}),
        ("anthropic", MESSAGES, {"messages": [], "thread": {"type": "continue"}}),
        ("gemini", GENERATE, contents({"fileData": {"fileUri": "gs://a"}})),
        ("gemini", GENERATE, contents({"text": "x", "newMedia": {}})),
        ("gemini", GENERATE, {"contents": {"text": "x", "fileData": {}}}),
        ("gemini", GENERATE, contents({"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}})),
        ("gemini", GENERATE, {"contents": [], "cachedContent": "c"}),
        ("gemini", GENERATE, {"contents": [], "system_instruction": {"parts": [{"fileData": {}}]}}),
        ("gemini", EMBED, {"requests": [{"content": {"parts": [{"fileData": {}}]}}]}),
        ("bedrock", CONVERSE, user({"document": {"source": {"bytes": "AAAA"}}})),
        ("bedrock", CONVERSE, user({"video": {"source": {"s3Location": {"uri": "s3://a"}}}})),
        ("bedrock", CONVERSE, {"promptVariables": {"a": {"text": "b"}}}),
        ("bedrock", INVOKE, {"messages": [{"content": [{"image": {"source": {"bytes": "AAAA"}}}]}]}),
    ],
)
def test_open_input(dialect, path, body):
    """What the body only points at, or what its bytes do not measure, may be as much as the model takes in."""
    assert reach(dialect, path, body).open_input


@pytest.mark.parametrize(
    ("dialect", "path", "body"),
    [
        ("groq", CHAT, {"messages": [], "tools": [{"type": "browser_search"}]}),
        ("groq", CHAT, {"model": "groq/compound", "messages": []}),
        ("xai", CHAT, {"messages": [], "search_parameters": {"mode": "auto"}}),
        ("openrouter", CHAT, {"messages": [], "models": ["a", "b"]}),
        ("openrouter", CHAT, {"messages": [], "plugins": [{"id": "web"}]}),
        ("openrouter", CHAT, {"model": "openai/gpt-4o:online", "messages": []}),
        ("mistral", CHAT, {"messages": [], "web_search_options": {}}),
        ("openai", CHAT, {"messages": [], "data_sources": [{}]}),
        ("openai", RESPONSES, {"input": "hi", "tools": [{"type": "web_search"}]}),
        ("openai", RESPONSES, {"input": "hi", "tools": [{"type": "mcp"}], "max_tool_calls": 1}),
        ("openai", RESPONSES, {"input": "hi", "tools": [{"type": "image_generation"}], "max_tool_calls": 1}),
        ("openai", RESPONSES, {"input": "hi", "reasoning": {"mode": "pro"}}),
        ("xai", RESPONSES, {"input": "hi", "tools": [{"type": "web_search"}], "max_tool_calls": 1}),
        ("anthropic", MESSAGES, {"messages": [], "fallbacks": "default"}),
        ("anthropic", MESSAGES, {"messages": [], "mcp_servers": [{}]}),
        ("anthropic", MESSAGES, {"messages": [], "tools": [{"type": "advisor_20260301"}]}),
        ("anthropic", MESSAGES, {"messages": [], "context_management": {"edits": [{"type": "compact_20260112"}]}}),
        ("gemini", GENERATE, {"contents": [], "tools": [{"urlContext": {}}]}),
        ("gemini", GENERATE_3, {"contents": [], "tools": [{"google_search": {}}]}),
        ("bedrock", CONVERSE, {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}),
        ("bedrock", CONVERSE, {"guardrailConfig": {"guardrailIdentifier": "g"}}),
        ("bedrock", CONVERSE, {"additionalModelRequestFields": {"tools": []}}),
    ],
)
def test_unbounded(dialect, path, body):
    """Tools and models that the provider calls as often as it likes leave nothing to bound."""
    assert reach(dialect, path, body).unbounded


@pytest.mark.parametrize(
    ("dialect", "path", "body", "rounds", "fees"),
    [
        ("openai", RESPONSES, {"tools": [{"type": "web_search_2025_08_26"}], "max_tool_calls": 4}, 5, ((SEARCHES, 4),)),
        ("openai", CHAT, {"messages": [], "web_search_options": {}, "n": 2}, 1, ((SEARCHES, 2),)),
        ("anthropic", MESSAGES, {"messages": [], "tools": [{"type": "web_search_20260318", "max_uses": 3}]}, 11,
         ((SEARCHES, 3),)),
        ("anthropic", MESSAGES, {"messages": [], "tools": [{"type": "web_fetch_20260318"}]}, 11,
         ((int(Meter.FETCHES), None),)),
        ("gemini", GENERATE, {"contents": [], "tools": [{"google_search": {}}]}, 1, ((SEARCHES, 1),)),
    ],
)  # fmt: skip
def test_server_tools(dialect, path, body, rounds, fees):
    """Tools with a documented limit open the input, for so many rounds, with so many fees."""
    found = reach(dialect, path, body)

    assert (found.rounds, found.fees, found.unbounded) == (rounds, fees, None)
    assert found.open_input


def test_prediction():
    """A prediction's rejected tokens come on top of the cap."""
    prediction = {"type": "content", "content": "x" * 1000}

    assert 1000 < reach("openai", CHAT, {"messages": [], "prediction": prediction}).added_output < 1100


def test_reasoning_beside_the_cap():
    """A cap at xAI counts what is said, not what is thought."""
    assert reach("xai", CHAT, {"messages": []}).is_cap_partial
    assert not reach("openai", CHAT, {"messages": []}).is_cap_partial


def test_conditions_asked_for():
    """Parameters with prices of their own are named."""
    assert reach("anthropic", MESSAGES, {"messages": [], "speed": "fast"}).asks == (("speed", "fast"),)
    assert reach("bedrock", CONVERSE, {"performanceConfig": {"latency": "optimized"}}).asks == (
        ("latency", "optimized"),
    )


def test_tools_described_by_the_provider():
    """A tool that is named only by its type comes with a description that the body does not hold."""
    body = {"messages": [], "tools": [{"type": "bash_20250124", "name": "bash"}, {"type": "memory_20250818"}]}

    assert reach("anthropic", MESSAGES, body).added_input == 640 + 2 * 2048
