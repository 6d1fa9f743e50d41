"""Anthropic's Messages API: `POST /v1/messages`, whole and streamed, and `/v1/messages/count_tokens`.

Shapes follow the API reference and recorded traffic (read 2026-11). `input_tokens` excludes what was read from or
written to the cache; the split of writes by lifetime is told in `message_start` only; `message_delta` repeats totals.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct

from bursar.simulator.anthropic_prompt import read_messages
from bursar.simulator.ask import Ask, Finish
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import json_body
from bursar.simulator.generation import Generated, Request
from bursar.simulator.models import snapshot_of
from bursar.simulator.openai_errors import Refusal
from bursar.simulator.sse import EVENT_STREAM, JSON, encode, named_event
from bursar.simulator.tokens import words_of
from bursar.usage import Meter, Usage

_STOP_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_ERRORS: Final = {
    "invalid": (400, "invalid_request_error"),
    "unauthorized": (401, "authentication_error"),
    "not_found": (404, "not_found_error"),
    "rate_limit": (429, "rate_limit_error"),
    "server_error": (500, "api_error"),
    "overloaded": (529, "overloaded_error"),
}
_OPENING_OUTPUT_TOKENS: Final = 1
"""What `message_start` counts before anything is written."""
_ONLY_AT_START: Final = frozenset({"cache_creation", "service_tier", "speed", "inference_geo"})
_SIGNATURE: Final = "c2ltdWxhdGVk"

STREAM_ERROR: Final = named_event(
    "error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": None}
)


class Event(Struct, frozen=True):
    """One event of a message's stream; ``body["type"]`` names it."""

    body: Mapping[str, Any]
    tokens: int = 0
    has_usage: bool = False


def anthropic_refusal(problem: Problem, request_id: str) -> Refusal:
    """Word a problem the way Anthropic does ("Errors", read 2026-11)."""
    status, kind = _ERRORS[problem.kind]
    error = {"type": kind, "message": problem.message}
    return Refusal(status, encode({"type": "error", "error": error, "request_id": request_id}))


def messages(request: Request) -> Reply:
    """Answer one message."""
    ask = read_messages(json_body(request.call))
    return answer_messages(request, ask, frame=sse_frame, content_type=EVENT_STREAM)


def answer_messages(
    request: Request, ask: Ask, *, frame: Callable[[Event], Frame], content_type: bytes, error: bytes = STREAM_ERROR
) -> Reply:
    """Answer a Messages request, whole or with its events framed as the way it came in wants them."""
    if ask.max_tokens is None:
        raise Problem("invalid", "max_tokens: Field required")
    generated = request.generate(ask)
    message = _message(request, ask)
    named = partial(message_usage, ask.terms)
    usage = usage_on_wire(named(generated.usage), request.fault)
    frames: Iterable[Frame]
    if ask.stream:
        frames = (frame(event) for event in message_events(message, generated, usage, request))
    else:
        frames = whole(
            encode(_whole(message, generated, usage, request)),
            has_usage=usage is not None,
            tokens=generated.usage.output_tokens,
        )
    return Reply(
        frames=frames,
        content_type=content_type if ask.stream else JSON,
        is_stream=ask.stream,
        response_id=str(message["id"]),
        model=str(message["model"]),
        usage=generated.usage,
        named=named,
        error_frame=error,
    )


def _whole(
    message: Mapping[str, Any], generated: Generated, usage: Mapping[str, Any] | None, request: Request
) -> dict[str, Any]:
    choice = generated.answer.choices[0]
    body = {
        **message,
        "content": _content(request, generated),
        "stop_reason": _STOP_REASONS[choice.finish],
        "stop_sequence": choice.stop_sequence,
    }
    return body if usage is None else {**body, "usage": usage}


def count_tokens_of_messages(request: Request) -> Reply:
    """Count a prompt without answering it; free."""
    ask = read_messages(json_body(request.call))
    body = {"input_tokens": sum(piece.tokens for piece in ask.prompt)}
    return Reply(frames=whole(encode(body), has_usage=False), content_type=JSON, model=snapshot_of(ask.model))


def message_usage(terms: Mapping[str, str], usage: Usage) -> Mapping[str, Any]:
    """The usage object of a message: input apart from cache reads and writes, thinking inside output."""
    written_5m = usage.quantity(Meter.CACHE_WRITE_5M)
    written_1h = usage.quantity(Meter.CACHE_WRITE_1H)
    return {
        "input_tokens": usage.quantity(Meter.INPUT_TEXT),
        "cache_creation_input_tokens": written_5m + written_1h,
        "cache_read_input_tokens": usage.quantity(Meter.CACHE_READ),
        "cache_creation": {"ephemeral_5m_input_tokens": written_5m, "ephemeral_1h_input_tokens": written_1h},
        "output_tokens": usage.output_tokens,
        **terms,
    }


def _message(request: Request, ask: Ask) -> dict[str, Any]:
    return {
        "id": request.new_id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": snapshot_of(ask.model),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _content(request: Request, generated: Generated) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if generated.answer.reasoning:
        blocks.append({"type": "thinking", "thinking": generated.answer.reasoning, "signature": _SIGNATURE})
    choice = generated.answer.choices[0]
    call = choice.tool_call
    if call is None:
        blocks.append({"type": "text", "text": choice.text})
        return blocks
    arguments = call.value()
    blocks.append({"type": "tool_use", "id": request.new_id("toolu_01", 22), "name": call.name, "input": arguments})
    return blocks


def message_events(
    message: Mapping[str, Any], generated: Generated, usage: Mapping[str, Any] | None, request: Request
) -> Iterator[Event]:
    """The events of a streamed message, in no framing."""
    start = dict(message)
    if usage is not None:
        start["usage"] = {**usage, "output_tokens": _OPENING_OUTPUT_TOKENS} if "output_tokens" in usage else usage
    yield Event({"type": "message_start", "message": start})
    for index, (block, deltas) in enumerate(_blocks(generated, request)):
        yield Event({"type": "content_block_start", "index": index, "content_block": block})
        if index == 0:
            yield Event({"type": "ping"})
        for delta, tokens in deltas:
            yield Event({"type": "content_block_delta", "index": index, "delta": delta}, tokens)
        yield Event({"type": "content_block_stop", "index": index})
    choice = generated.answer.choices[0]
    ending = {"stop_reason": _STOP_REASONS[choice.finish], "stop_sequence": choice.stop_sequence}
    last: dict[str, Any] = {"type": "message_delta", "delta": ending}
    if usage is not None:
        last["usage"] = {name: count for name, count in usage.items() if name not in _ONLY_AT_START}
    yield Event(last, has_usage=usage is not None)
    yield Event({"type": "message_stop"})


def sse_frame(event: Event) -> Frame:
    """An event as Anthropic sends it."""
    return Frame(named_event(event.body["type"], event.body), event.tokens, event.has_usage)


def _blocks(
    generated: Generated, request: Request
) -> Iterator[tuple[dict[str, Any], list[tuple[dict[str, str], int]]]]:
    reasoning = generated.answer.reasoning
    if reasoning:
        deltas = [({"type": "thinking_delta", "thinking": word}, tokens) for word, tokens in words_of(reasoning)]
        deltas.append(({"type": "signature_delta", "signature": _SIGNATURE}, 0))
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    choice = generated.answer.choices[0]
    call = choice.tool_call
    if call is None:
        words = words_of(choice.text)
        yield {"type": "text", "text": ""}, [({"type": "text_delta", "text": word}, tokens) for word, tokens in words]
        return
    block = {"type": "tool_use", "id": request.new_id("toolu_01", 22), "name": call.name, "input": {}}
    opening = ({"type": "input_json_delta", "partial_json": ""}, 0)
    yield block, [opening, *(({"type": "input_json_delta", "partial_json": part}, n) for part, n in call.slices())]
