"""Amazon Bedrock's Converse API, whole and as a binary event stream.

Shapes follow the service model in botocore and recorded traffic (2026). `inputTokens` excludes cache reads and writes,
`totalTokens` includes them; the stream's last event, `metadata`, carries the usage.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bursar.simulator.ask import Choice, Finish
from bursar.simulator.bedrock_prompt import read_converse
from bursar.simulator.event_stream import CONTENT_TYPE, event, exception
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import Fields, json_body, mapping, text
from bursar.simulator.generation import Generated, Request
from bursar.simulator.openai_errors import Refusal
from bursar.simulator.sse import JSON, encode
from bursar.simulator.tokens import words_of
from bursar.usage import Meter, Usage

_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SIGNATURE: Final = "c2ltdWxhdGVk"
_STOP_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_ERRORS: Final = {
    "invalid": (400, "ValidationException"),
    "unauthorized": (403, "UnrecognizedClientException"),
    "not_found": (400, "ValidationException"),
    "rate_limit": (429, "ThrottlingException"),
    "server_error": (500, "InternalServerException"),
    "overloaded": (503, "ServiceUnavailableException"),
}
STREAM_ERROR: Final = exception(
    "modelStreamErrorException",
    {"message": "The model failed while it was answering.", "originalStatusCode": 500, "originalMessage": "internal"},
)


def bedrock_refusal(problem: Problem, _: str) -> Refusal:
    """Word a problem the way Bedrock does: the kind in a header, the message in the body."""
    status, kind = _ERRORS[problem.kind]
    return Refusal(status, encode({"message": problem.message}), ((b"x-amzn-errortype", kind.encode()),))


def converse(request: Request) -> Reply:
    """`POST /model/{id}/converse`."""
    return _answer(request, stream=False)


def converse_stream(request: Request) -> Reply:
    """`POST /model/{id}/converse-stream`."""
    return _answer(request, stream=True)


def count_tokens_of_converse(request: Request) -> Reply:
    """`POST /model/{id}/count-tokens` of a Converse request; free."""
    fields = mapping(mapping(json_body(request.call), "input"), "converse")
    ask = read_converse(fields, request.call.subject, stream=False)
    body = {"inputTokens": sum(piece.tokens for piece in ask.prompt)}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=JSON, model=ask.model)


def token_usage(usage: Usage) -> Mapping[str, Any]:
    """`TokenUsage`; the cache's fields only where the cache was used, as Bedrock leaves them out elsewhere."""
    read = usage.quantity(Meter.CACHE_READ)
    written = {"5m": usage.quantity(Meter.CACHE_WRITE_5M), "1h": usage.quantity(Meter.CACHE_WRITE_1H)}
    said: dict[str, Any] = {
        "inputTokens": usage.quantity(Meter.INPUT_TEXT),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "serverToolUsage": {},
    }
    if read or any(written.values()):
        said["cacheReadInputTokens"] = said["cacheReadInputTokenCount"] = read
        said["cacheWriteInputTokens"] = said["cacheWriteInputTokenCount"] = sum(written.values())
        said["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in written.items() if count]
    return said


def _answer(request: Request, *, stream: bool) -> Reply:
    fields = json_body(request.call)
    ask = read_converse(fields, request.call.subject, stream=stream)
    generated = request.generate(ask)
    usage = usage_on_wire(token_usage(generated.usage), request.fault)
    frames: Iterable[Frame]
    if stream:
        frames = _events(request, generated, _closing(fields, usage), has_usage=usage is not None)
    else:
        choice = generated.answer.choices[0]
        body = {
            "output": {"message": {"role": "assistant", "content": _content(request, generated)}},
            "stopReason": _STOP_REASONS[choice.finish],
            **_closing(fields, usage),
        }
        frames = whole(encode(body), has_usage=usage is not None, tokens=generated.usage.output_tokens)
    return Reply(
        frames=frames,
        content_type=CONTENT_TYPE if stream else JSON,
        is_stream=stream,
        model=ask.model,
        usage=generated.usage,
        named=token_usage,
        error_frame=STREAM_ERROR,
    )


def _closing(fields: Fields, usage: Mapping[str, Any] | None) -> dict[str, Any]:
    closing: dict[str, Any] = {"metrics": {"latencyMs": 1}}
    if usage is not None:
        closing["usage"] = usage
    tier = text(mapping(fields, "serviceTier"), "type")
    return {**closing, "serviceTier": {"type": tier}} if tier else closing


def _content(request: Request, generated: Generated) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if generated.answer.reasoning:
        shown = {"text": generated.answer.reasoning, "signature": _SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": shown}})
    choice = generated.answer.choices[0]
    call = choice.tool_call
    if call:
        use = {"toolUseId": request.new_id("tooluse_", 22), "name": call.name, "input": call.value()}
        return [*blocks, {"toolUse": use}]
    return [*blocks, {"text": choice.text}]


def _events(request: Request, generated: Generated, closing: Mapping[str, Any], *, has_usage: bool) -> Iterator[Frame]:
    yield _frame(request, "messageStart", {"role": "assistant"})
    index = 0
    if generated.answer.reasoning:
        for word, tokens in words_of(generated.answer.reasoning):
            yield _delta(request, index, {"reasoningContent": {"text": word}}, tokens)
        yield _delta(request, index, {"reasoningContent": {"signature": _SIGNATURE}}, 0)
        yield _frame(request, "contentBlockStop", {"contentBlockIndex": index})
        index += 1
    choice = generated.answer.choices[0]
    yield from _block(request, index, choice)
    yield _frame(request, "contentBlockStop", {"contentBlockIndex": index})
    yield _frame(request, "messageStop", {"stopReason": _STOP_REASONS[choice.finish]})
    yield _frame(request, "metadata", closing, has_usage=has_usage)


def _block(request: Request, index: int, choice: Choice) -> Iterator[Frame]:
    call = choice.tool_call
    if call is None:
        for word, tokens in words_of(choice.text):
            yield _delta(request, index, {"text": word}, tokens)
        return
    use = {"toolUseId": request.new_id("tooluse_", 22), "name": call.name}
    yield _frame(request, "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}})
    for part, tokens in call.slices():
        yield _delta(request, index, {"toolUse": {"input": part}}, tokens)


def _delta(request: Request, index: int, delta: Mapping[str, Any], tokens: int) -> Frame:
    return _frame(request, "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, tokens)


def _frame(request: Request, kind: str, body: Mapping[str, Any], tokens: int = 0, *, has_usage: bool = False) -> Frame:
    """An event with the padding of varying length by which Bedrock hides the size of what was said."""
    padding = _PADDING[: request.chance.below(len(_PADDING))]
    return Frame(event(kind, {**body, "p": padding}), tokens, has_usage)
