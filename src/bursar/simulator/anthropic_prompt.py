"""Read a Messages body: system, turns and tools as pieces in the order in which Anthropic caches them."""

from typing import Any, Final

import msgspec

from bursar.simulator.ask import Ask, Tool
from bursar.simulator.exchange import Problem
from bursar.simulator.fields import Fields, mapping, number, objects, strings, text
from bursar.simulator.models import require_model
from bursar.simulator.sse import encode
from bursar.simulator.tokens import CacheTtl, Piece, media_piece, text_piece

_IMAGE_TOKENS: Final = 1590
"""About what a picture of 1,092 by 1,092 pixels takes ("Vision", read 2026-11); sizes are not told apart here."""


def read_messages(fields: Fields, *, model: str | None = None, stream: bool | None = None) -> Ask:
    """A Messages body as an `Ask`; ``model`` and ``stream`` override the body's where a path names them."""
    named = require_model(model or text(fields, "model"), f"model: {text(fields, 'model')}")
    turns = objects(fields, "messages")
    if not turns:
        raise Problem("invalid", "messages: at least one message is required")
    pieces = [_declaration(tool) for tool in objects(fields, "tools")]
    pieces += _content(fields.get("system"))
    pieces += [piece for turn in turns for piece in _content(turn.get("content"))]
    return Ask(
        model=named,
        stream=fields.get("stream") is True if stream is None else stream,
        prompt=tuple(_with_automatic_breakpoint(pieces, fields)),
        question=_question(turns),
        follows_tool_result=_has_tool_result(turns[-1]),
        tools=tuple(Tool(text(one, "name"), mapping(one, "input_schema")) for one in objects(fields, "tools")),
        tool_choice=_tool_choice(mapping(fields, "tool_choice")),
        json_schema=_schema(fields),
        max_tokens=number(fields, "max_tokens"),
        stop=strings(fields, "stop_sequences"),
        effort=_effort(fields),
        caching="explicit",
        terms=_terms(fields),
    )


def _content(content: Any) -> list[Piece]:
    if isinstance(content, str):
        return [text_piece(content)] if content else []
    return [_block(block) for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _block(block: Fields) -> Piece:
    ttl = _lifetime(block)
    match text(block, "type"):
        case "text":
            return text_piece(text(block, "text"), ttl)
        case "image":
            return media_piece(encode(block.get("source")), "image", _IMAGE_TOKENS, ttl)
        case "tool_result":
            inner = block.get("content")
            return text_piece(inner if isinstance(inner, str) else encode(inner).decode(), ttl)
        case "tool_use":
            return text_piece(text(block, "name") + encode(block.get("input")).decode(), ttl)
        case "thinking":
            return text_piece(text(block, "thinking"), ttl)
        case _:
            return text_piece(
                encode({name: value for name, value in block.items() if name != "cache_control"}).decode()
            )


def _declaration(tool: Fields) -> Piece:
    declared = {name: value for name, value in tool.items() if name != "cache_control"}
    return text_piece(encode(declared).decode(), _lifetime(tool))


def _lifetime(block: Fields) -> CacheTtl | None:
    control = mapping(block, "cache_control")
    if not control:
        return None
    return "1h" if text(control, "ttl") == "1h" else "5m"


def _with_automatic_breakpoint(pieces: list[Piece], fields: Fields) -> list[Piece]:
    """A `cache_control` at the top of the body marks the last piece ("Automatic caching", read 2026-11)."""
    ttl = _lifetime(fields)
    if ttl is None or not pieces:
        return pieces
    return [*pieces[:-1], msgspec.structs.replace(pieces[-1], breakpoint=ttl)]


def _question(turns: list[Fields]) -> str:
    users = [turn for turn in turns if text(turn, "role") == "user"]
    if not users:
        return ""
    content = users[-1].get("content")
    if isinstance(content, str):
        return content
    return " ".join(text(block, "text") for block in objects(users[-1], "content"))


def _has_tool_result(turn: Fields) -> bool:
    return any(text(block, "type") == "tool_result" for block in objects(turn, "content"))


def _tool_choice(choice: Fields) -> str:
    match text(choice, "type"):
        case "any":
            return "any"
        case "none":
            return "none"
        case "tool":
            return "=" + text(choice, "name")
        case _:
            return "auto"


def _schema(fields: Fields) -> Fields | None:
    for holder in (mapping(mapping(fields, "output_config"), "format"), mapping(fields, "output_format")):
        if text(holder, "type") == "json_schema":
            return mapping(holder, "schema")
    return None


def _terms(fields: Fields) -> dict[str, str]:
    """The tier that serves, and speed and geography as asked (`Usage` of the API reference, read 2026-11)."""
    asked = {name: text(fields, name) for name in ("speed", "inference_geo")}
    return {"service_tier": "standard", **{name: value for name, value in asked.items() if value}}


def _effort(fields: Fields) -> str | None:
    thinking = mapping(fields, "thinking")
    if text(thinking, "type") not in ("enabled", "adaptive"):
        return None
    return text(mapping(fields, "output_config"), "effort") or "medium"
