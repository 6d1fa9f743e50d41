"""Amazon Bedrock's InvokeModel: each vendor's own body behind one path; Anthropic, Nova-like and Titan embeddings.

Streams wrap each of the vendor's events in a ``chunk`` whose bytes are base64; the last one adds
``amazon-bedrock-invocationMetrics`` (recorded traffic and the Bedrock guide, read 2026-11).
"""

import base64
from typing import Any, Final

import msgspec

from bursar.simulator.anthropic_messages import Event, answer_messages
from bursar.simulator.anthropic_prompt import read_messages
from bursar.simulator.bedrock import STREAM_ERROR, converse
from bursar.simulator.event_stream import CONTENT_TYPE, event
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.fields import json_body, number, text
from bursar.simulator.generation import Request
from bursar.simulator.models import require_model
from bursar.simulator.openai_embeddings import unit_vector
from bursar.simulator.sse import JSON, encode
from bursar.simulator.tokens import text_piece
from bursar.usage import Meter, usage_of

_EMBEDDING_SIZE: Final = 1024


def invoke(request: Request) -> Reply:
    """`POST /model/{id}/invoke`."""
    model = require_model(request.call.subject, "The provided model identifier is invalid.")
    if "anthropic." in model:
        return _with_counts(_messages(request, stream=False))
    if "titan-embed" in model:
        return _embedding(request, model)
    if "nova" in model:
        return converse(request)
    raise Problem("invalid", f"The simulator cannot invoke {model}; use Converse for it.")


def invoke_with_response_stream(request: Request) -> Reply:
    """`POST /model/{id}/invoke-with-response-stream`; Anthropic models only."""
    model = require_model(request.call.subject, "The provided model identifier is invalid.")
    if "anthropic." not in model:
        raise Problem("invalid", f"The simulator cannot stream {model} from InvokeModel; use ConverseStream for it.")
    return _messages(request, stream=True)


def _messages(request: Request, *, stream: bool) -> Reply:
    ask = read_messages(json_body(request.call), model=request.call.subject, stream=stream)
    metrics: dict[str, Any] = {}

    def chunk(one: Event) -> Frame:
        body = dict(one.body)
        if one.body["type"] == "message_start":
            metrics.update(_metrics(one.body["message"].get("usage") or {}))
        if one.has_usage:
            metrics["outputTokenCount"] = one.body["usage"].get("output_tokens", 0)
        if one.body["type"] == "message_stop":
            body["amazon-bedrock-invocationMetrics"] = {**metrics, "invocationLatency": 1, "firstByteLatency": 1}
        data = {"bytes": base64.b64encode(encode(body)).decode()}
        return Frame(event("chunk", data), one.tokens, one.has_usage)

    return answer_messages(request, ask, frame=chunk, content_type=CONTENT_TYPE, error=STREAM_ERROR)


def _metrics(usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "inputTokenCount": usage.get("input_tokens", 0),
        "cacheReadInputTokenCount": usage.get("cache_read_input_tokens", 0),
        "cacheWriteInputTokenCount": usage.get("cache_creation_input_tokens", 0),
    }


def _with_counts(reply: Reply) -> Reply:
    """Bedrock repeats the counts of a whole answer in headers."""
    usage = reply.usage
    counts = (
        (b"x-amzn-bedrock-input-token-count", usage.quantity(Meter.INPUT_TEXT)),
        (b"x-amzn-bedrock-output-token-count", usage.output_tokens),
    )
    headers = tuple((name, b"%d" % count) for name, count in counts)
    return msgspec.structs.replace(reply, headers=(*reply.headers, *headers))


def _embedding(request: Request, model: str) -> Reply:
    fields = json_body(request.call)
    piece = text_piece(text(fields, "inputText"))
    if not piece.tokens:
        raise Problem("invalid", "Malformed input request: inputText is required.")
    vector = unit_vector(request, [piece], number(fields, "dimensions") or _EMBEDDING_SIZE)
    usage = usage_of({Meter.INPUT_TEXT: piece.tokens})
    return Reply(
        frames=whole(encode({"embedding": vector, "inputTextTokenCount": piece.tokens}), has_usage=True),
        content_type=JSON,
        model=model,
        usage=usage,
        named=lambda counted: {"inputTextTokenCount": counted.input_tokens},
    )
