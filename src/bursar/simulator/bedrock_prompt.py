"""Read a Bedrock Converse request; cache points become breakpoints of the piece before them."""

import re
from typing import Final

import msgspec

from bursar.simulator.ask import Ask, Schema, Tool
from bursar.simulator.exchange import Problem
from bursar.simulator.fields import Fields, mapping, number, objects, strings, text
from bursar.simulator.models import require_model
from bursar.simulator.sse import encode
from bursar.simulator.tokens import CacheTtl, Piece, media_piece, text_piece

_IMAGE_TOKENS: Final = 1590
_REASONING: Final = re.compile(r"deepseek\.r1|gpt-oss|qwen3|thinking")


def read_converse(fields: Fields, model: str, *, stream: bool) -> Ask:
    """A Converse body as an `Ask`."""
    require_model(model, "The provided model identifier is invalid.")
    turns = objects(fields, "messages")
    if not turns:
        raise Problem("invalid", "The messages field is required and must not be empty.")
    declared = objects(mapping(fields, "toolConfig"), "tools")
    limits = mapping(fields, "inferenceConfig")
    blocks = [*declared, *objects(fields, "system"), *(block for turn in turns for block in objects(turn, "content"))]
    users = [turn for turn in turns if text(turn, "role") == "user"]
    return Ask(
        model=model,
        stream=stream,
        prompt=tuple(_pieces(blocks)),
        question=" ".join(text(block, "text") for block in objects(users[-1], "content")) if users else "",
        follows_tool_result=any("toolResult" in block for block in objects(turns[-1], "content")),
        tools=tuple(_tool(mapping(one, "toolSpec")) for one in declared if "toolSpec" in one),
        tool_choice=_tool_choice(mapping(mapping(fields, "toolConfig"), "toolChoice")),
        json_schema=_schema(fields),
        max_tokens=number(limits, "maxTokens"),
        stop=strings(limits, "stopSequences"),
        effort=_effort(fields, model),
        caching="explicit",
    )


def _pieces(blocks: list[Fields]) -> list[Piece]:
    pieces: list[Piece] = []
    for block in blocks:
        if "cachePoint" in block:
            ttl: CacheTtl = "1h" if text(mapping(block, "cachePoint"), "ttl") == "1h" else "5m"
            if pieces:
                pieces[-1] = msgspec.structs.replace(pieces[-1], breakpoint=ttl)
        elif "text" in block:
            pieces.append(text_piece(text(block, "text")))
        elif "image" in block:
            pieces.append(media_piece(encode(block["image"]), "image", _IMAGE_TOKENS))
        else:
            pieces.append(text_piece(encode(block).decode()))
    return pieces


def _tool(spec: Fields) -> Tool:
    return Tool(text(spec, "name"), mapping(mapping(spec, "inputSchema"), "json"))


def _tool_choice(choice: Fields) -> str:
    if "tool" in choice:
        return "=" + text(mapping(choice, "tool"), "name")
    return "any" if "any" in choice else "auto"


def _schema(fields: Fields) -> Schema | None:
    wanted = mapping(mapping(fields, "outputConfig"), "textFormat")
    if text(wanted, "type") != "json_schema":
        return None
    schema = text(mapping(mapping(wanted, "structure"), "jsonSchema"), "schema", "{}")
    try:
        decoded = msgspec.json.decode(schema)
    except msgspec.DecodeError:
        raise Problem("invalid", "The JSON schema of outputConfig is not valid JSON.") from None
    return decoded if isinstance(decoded, dict) else {}


def _effort(fields: Fields, model: str) -> str | None:
    thinking = mapping(mapping(fields, "additionalModelRequestFields"), "thinking")
    if text(thinking, "type") in ("enabled", "adaptive") or _REASONING.search(model):
        return "medium"
    return None
