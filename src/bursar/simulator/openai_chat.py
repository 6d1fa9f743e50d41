"""OpenAI chat completions: `POST /v1/chat/completions`, whole and streamed.

Shapes follow the API reference and recorded traffic (read 2026-11): every chunk repeats id, model and fingerprint; with
`stream_options.include_usage` each chunk has `usage: null` and one more chunk, without choices, carries it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bursar.simulator.ask import Ask, Choice, Finish
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import Fields, json_body, mapping, number, objects, strings, text
from bursar.simulator.generation import Generated, Request
from bursar.simulator.models import openai_caching, openai_effort, require_model, snapshot_of
from bursar.simulator.openai_errors import STREAM_ERROR
from bursar.simulator.openai_prompt import (
    chat_usage,
    content_pieces,
    plain_text,
    schema_of,
    served_tier,
    tool_of,
    tool_pieces,
)
from bursar.simulator.sse import EVENT_STREAM, JSON, data_event, encode
from bursar.simulator.tokens import Piece, count_tokens, text_piece, words_of

_FILTERED: Final = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
"""Azure's content filter speaks first: in a stream by a nameless chunk without choices."""
_DONE: Final = b"data: [DONE]\n\n"

_FINISH: Final[Mapping[Finish, str]] = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL: "tool_calls",
}


def chat_completions(request: Request) -> Reply:
    """Answer one chat completion."""
    fields = json_body(request.call)
    ask = _read(fields, request.call.subject)
    generated = request.generate(ask)
    tier = served_tier(text(fields, "service_tier"))
    envelope = {
        "id": request.new_id("chatcmpl-"),
        "object": "chat.completion.chunk" if ask.stream else "chat.completion",
        "created": request.created,
        "model": snapshot_of(ask.model),
        "service_tier": tier,
        "system_fingerprint": "fp_simulated",
    }
    usage = usage_on_wire(chat_usage(generated.usage), request.fault)
    if ask.stream:
        include = bool(mapping(fields, "stream_options").get("include_usage"))
        frames: Any = _chunks(envelope, generated, usage, include_usage=include, ids=request)
    else:
        frames = _completion(envelope, generated, usage, request)
    return Reply(
        frames=frames,
        content_type=EVENT_STREAM if ask.stream else JSON,
        is_stream=ask.stream,
        response_id=str(envelope["id"]),
        model=str(envelope["model"]),
        usage=generated.usage,
        named=chat_usage,
        error_frame=STREAM_ERROR,
    )


def _read(fields: Fields, deployment: str) -> Ask:
    model = require_model(
        text(fields, "model") or deployment,
        f"The model `{text(fields, 'model')}` does not exist or you do not have access to it.",
    )
    messages = objects(fields, "messages")
    if not messages:
        raise Problem("invalid", "Missing required parameter: 'messages'.", param="messages")
    tools = [tool for tool in objects(fields, "tools") if text(tool, "type") == "function"]
    users = [message for message in messages if text(message, "role") == "user"]
    return Ask(
        model=model,
        stream=fields.get("stream") is True,
        prompt=(*tool_pieces(objects(fields, "tools")), *(piece for one in messages for piece in _message(one))),
        question=plain_text(users[-1].get("content")) if users else "",
        follows_tool_result=text(messages[-1], "role") == "tool",
        tools=tuple(tool_of(mapping(tool, "function")) for tool in tools),
        tool_choice=_tool_choice(fields.get("tool_choice")),
        json_schema=schema_of(mapping(fields, "response_format")),
        max_tokens=number(fields, "max_completion_tokens", "max_tokens"),
        stop=strings(fields, "stop"),
        answers=max(1, number(fields, "n") or 1),
        effort=openai_effort(model, text(fields, "reasoning_effort") or None),
        caching=openai_caching(model),
        told=frozenset({"audio"}),
    )


def _message(message: Fields) -> list[Piece]:
    pieces = content_pieces(message.get("content"))
    pieces += [text_piece(encode(call).decode()) for call in objects(message, "tool_calls")]
    return pieces


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return "=" + (text(mapping(choice, "function"), "name") or text(choice, "name"))
    return {"required": "any", "none": "none"}.get(choice, "auto") if isinstance(choice, str) else "auto"


def _completion(
    envelope: Mapping[str, Any], generated: Generated, usage: Mapping[str, Any] | None, request: Request
) -> tuple[Frame]:
    choices = [
        {
            "index": index,
            "message": _whole_message(choice, request),
            "logprobs": None,
            "finish_reason": _FINISH[choice.finish],
        }
        for index, choice in enumerate(generated.answer.choices)
    ]
    body = {**envelope, "choices": choices, **(_FILTERED if _is_azure(request) else {})}
    if usage is not None:
        body["usage"] = usage
    return whole(encode(body), has_usage=usage is not None, tokens=generated.usage.output_tokens)


def _whole_message(choice: Choice, request: Request) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text if choice.tool_call is None else None,
        "refusal": None,
        "annotations": [],
    }
    call = choice.tool_call
    if call:
        function = {"name": call.name, "arguments": call.arguments}
        message["tool_calls"] = [{"id": request.new_id("call_", 24), "type": "function", "function": function}]
    return message


def _chunks(
    envelope: Mapping[str, Any],
    generated: Generated,
    usage: Mapping[str, Any] | None,
    *,
    include_usage: bool,
    ids: Request,
) -> Iterator[Frame]:
    trailer = {"usage": None} if include_usage else {}

    def chunk(index: int, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_event({**envelope, "choices": [choice], **trailer})

    if _is_azure(ids):
        nobody = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield Frame(data_event({**nobody, **_FILTERED}))
    waited = count_tokens(generated.answer.reasoning)
    for index, choice in enumerate(generated.answer.choices):
        for delta, tokens in _deltas(choice, ids):
            yield Frame(chunk(index, delta), tokens + waited)
            waited = 0
        yield Frame(chunk(index, {}, _FINISH[choice.finish]))
    if include_usage and usage is not None:
        yield Frame(data_event({**envelope, "choices": [], "usage": usage}), has_usage=True)
    yield Frame(_DONE)


def _is_azure(request: Request) -> bool:
    return request.call.path.startswith("/openai/")


def _deltas(choice: Choice, ids: Request) -> Iterator[tuple[Mapping[str, Any], int]]:
    call = choice.tool_call
    if call is None:
        yield {"role": "assistant", "content": "", "refusal": None}, 0
        for word, tokens in words_of(choice.text):
            yield {"content": word}, tokens
        return
    function = {"name": call.name, "arguments": ""}
    opening = {"index": 0, "id": ids.new_id("call_", 24), "type": "function", "function": function}
    yield {"role": "assistant", "content": None, "tool_calls": [opening], "refusal": None}, 0
    for part, tokens in call.slices():
        yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}, tokens
