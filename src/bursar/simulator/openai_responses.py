"""OpenAI's Responses API: `POST /v1/responses`, whole and as a stream of typed events.

The order of events follows recorded traffic (2026): created, in_progress, then for each output item added, its parts'
deltas and done, and at last completed or incomplete with the whole response and its usage.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bursar.simulator.ask import Ask, Choice, Finish, ToolCall
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import Fields, json_body, mapping, number, objects, text
from bursar.simulator.generation import Generated, Request
from bursar.simulator.models import openai_caching, openai_effort, require_model, snapshot_of
from bursar.simulator.openai_prompt import (
    content_pieces,
    plain_text,
    responses_usage,
    schema_of,
    served_tier,
    tool_of,
    tool_pieces,
)
from bursar.simulator.sse import EVENT_STREAM, JSON, encode, named_event
from bursar.simulator.tokens import Piece, count_tokens, text_piece, words_of

_STREAM_ERROR: Final = named_event(
    "error",
    {
        "type": "error",
        "code": "server_error",
        "message": "The server had an error while processing your request. Sorry about that!",
        "param": None,
        "sequence_number": 0,
    },
)


def responses(request: Request) -> Reply:
    """Answer one response request."""
    fields = json_body(request.call)
    ask = _read(fields)
    generated = request.generate(ask)
    response = _response(request, fields, ask)
    usage = usage_on_wire(responses_usage(generated.usage), request.fault)
    items = _items(request, generated)
    final = _final({**response, "service_tier": served_tier(text(fields, "service_tier"))}, generated, items, usage)
    if ask.stream:
        frames: Any = _events(response, final, items, generated, has_usage=usage is not None)
    else:
        frames = whole(encode(final), has_usage=usage is not None, tokens=generated.usage.output_tokens)
    return Reply(
        frames=frames,
        content_type=EVENT_STREAM if ask.stream else JSON,
        is_stream=ask.stream,
        response_id=str(response["id"]),
        model=str(response["model"]),
        usage=generated.usage,
        named=responses_usage,
        error_frame=_STREAM_ERROR,
    )


def input_tokens(request: Request) -> Reply:
    """Count a prompt without answering it: `POST /v1/responses/input_tokens`."""
    ask = _read(json_body(request.call))
    counted = {"object": "response.input_tokens", "input_tokens": sum(piece.tokens for piece in ask.prompt)}
    return Reply(frames=whole(encode(counted), has_usage=False), content_type=JSON, model=snapshot_of(ask.model))


def _read(fields: Fields) -> Ask:
    model = require_model(text(fields, "model"), f"The requested model '{text(fields, 'model')}' does not exist.")
    given = fields.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else objects(fields, "input")
    if not items:
        raise Problem("invalid", "Missing required parameter: 'input'.", param="input")
    tools = [tool for tool in objects(fields, "tools") if text(tool, "type") == "function"]
    users = [item for item in items if text(item, "role") == "user"]
    instructions = content_pieces(fields.get("instructions"))
    return Ask(
        model=model,
        stream=fields.get("stream") is True,
        prompt=(*tool_pieces(tools), *instructions, *(piece for item in items for piece in _item_pieces(item))),
        question=plain_text(users[-1].get("content")) if users else "",
        follows_tool_result=text(items[-1], "type") == "function_call_output",
        tools=tuple(tool_of(tool) for tool in tools),
        tool_choice=_tool_choice(fields.get("tool_choice")),
        json_schema=schema_of(mapping(mapping(fields, "text"), "format")),
        max_tokens=number(fields, "max_output_tokens"),
        effort=openai_effort(model, text(mapping(fields, "reasoning"), "effort") or None),
        caching=openai_caching(model),
    )


def _item_pieces(item: Fields) -> list[Piece]:
    match text(item, "type"):
        case "function_call":
            return [text_piece(text(item, "name")), text_piece(text(item, "arguments"))]
        case "function_call_output":
            return content_pieces(item.get("output"))
        case "reasoning":
            return []
        case _:
            return content_pieces(item.get("content"))


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return "=" + text(choice, "name")
    return {"required": "any", "none": "none"}.get(choice, "auto") if isinstance(choice, str) else "auto"


def _response(request: Request, fields: Fields, ask: Ask) -> dict[str, Any]:
    reasoning = mapping(fields, "reasoning")
    return {
        "id": request.new_id("resp_"),
        "object": "response",
        "created_at": request.created,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "max_output_tokens": ask.max_tokens,
        "max_tool_calls": None,
        "model": snapshot_of(ask.model),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": fields.get("previous_response_id"),
        "prompt_cache_key": fields.get("prompt_cache_key"),
        "reasoning": {"effort": ask.effort, "summary": reasoning.get("summary")},
        "safety_identifier": None,
        "service_tier": "auto",
        "store": fields.get("store", True),
        "temperature": fields.get("temperature", 1.0),
        "text": fields.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": fields.get("tools") or [],
        "top_logprobs": 0,
        "top_p": fields.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "user": fields.get("user"),
        "metadata": fields.get("metadata") or {},
    }


def _final(
    response: Mapping[str, Any],
    generated: Generated,
    items: list[dict[str, Any]],
    usage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    is_cut = generated.answer.choices[0].finish is Finish.LENGTH
    final = {
        **response,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "completed_at": None if is_cut else response["created_at"],
        "output": items,
    }
    if usage is None:
        del final["usage"]
    else:
        final["usage"] = usage
    return final


def _items(request: Request, generated: Generated) -> list[dict[str, Any]]:
    choice = generated.answer.choices[0]
    items: list[dict[str, Any]] = []
    if generated.answer.reasoning:
        items.append({"id": request.new_id("rs_"), "type": "reasoning", "summary": []})
    items.append(_output_item(request, choice))
    return items


def _output_item(request: Request, choice: Choice) -> dict[str, Any]:
    status = "incomplete" if choice.finish is Finish.LENGTH else "completed"
    call = choice.tool_call
    if call:
        return {
            "id": request.new_id("fc_"),
            "type": "function_call",
            "status": status,
            "arguments": call.arguments,
            "call_id": request.new_id("call_", 24),
            "name": call.name,
        }
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": choice.text}
    return {"id": request.new_id("msg_"), "type": "message", "status": status, "content": [part], "role": "assistant"}


def _events(
    response: Mapping[str, Any],
    final: Mapping[str, Any],
    items: list[dict[str, Any]],
    generated: Generated,
    *,
    has_usage: bool,
) -> Iterator[Frame]:
    number_of = iter(range(1 << 30))

    def event(kind: str, body: Mapping[str, Any]) -> bytes:
        return named_event(kind, {"type": kind, **body, "sequence_number": next(number_of)})

    yield Frame(event("response.created", {"response": response}))
    yield Frame(event("response.in_progress", {"response": response}))
    for index, item in enumerate(items):
        tokens = count_tokens(generated.answer.reasoning) if item["type"] == "reasoning" else 0
        opened = _opened(item)
        yield Frame(event("response.output_item.added", {"item": opened, "output_index": index}), tokens)
        for kind, body, spoken in _item_events(item):
            yield Frame(event(kind, {"item_id": item["id"], "output_index": index, **body}), spoken)
        yield Frame(event("response.output_item.done", {"item": item, "output_index": index}))
    yield Frame(event(f"response.{final['status']}", {"response": final}), has_usage=has_usage)


def _opened(item: Mapping[str, Any]) -> dict[str, Any]:
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case _:
            return dict(item)


def _item_events(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """The events inside one output item: name, body, tokens."""
    if item["type"] == "function_call":
        call = ToolCall(item["name"], item["arguments"])
        for part, tokens in call.slices():
            yield "response.function_call_arguments.delta", {"delta": part}, tokens
        yield "response.function_call_arguments.done", {"name": call.name, "arguments": call.arguments}, 0
    elif item["type"] == "message":
        (part_of,) = item["content"]
        at = {"content_index": 0}
        yield "response.content_part.added", {**at, "part": {**part_of, "text": ""}}, 0
        for word, tokens in words_of(part_of["text"]):
            yield "response.output_text.delta", {**at, "delta": word, "logprobs": []}, tokens
        yield "response.output_text.done", {**at, "text": part_of["text"], "logprobs": []}, 0
        yield "response.content_part.done", {**at, "part": part_of}, 0
