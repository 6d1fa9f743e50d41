"""Read a Gemini request: contents, instruction and function declarations as pieces of a prompt."""

import base64
import binascii
import re
from typing import Any, Final

from bursar.simulator.ask import Ask, Schema, Tool
from bursar.simulator.exchange import Problem
from bursar.simulator.fields import Fields, mapping, number, objects, strings, text
from bursar.simulator.models import require_model
from bursar.simulator.sse import encode
from bursar.simulator.tokens import Piece, media_piece, text_piece

_IMAGE_TOKENS: Final = 258
"""An image of up to 384 pixels a side ("Token counting", read 2026-11); larger ones are not told apart here."""
_AUDIO_TOKENS_PER_SECOND: Final = 32
_BYTES_PER_SECOND: Final = 32_000

_UNCACHED: Final = re.compile(r"gemini-(1|2\.0)")
_THINKING: Final = re.compile(r"gemini-(2\.5|[3-9])")


def read_contents(fields: Fields, model: str, *, stream: bool) -> Ask:
    """A generateContent body as an `Ask`."""
    require_model(model, f"models/{model} is not found for API version v1beta, or is not supported.")
    contents = objects(fields, "contents")
    if not contents:
        raise Problem("invalid", "* GenerateContentRequest.contents: contents is not specified")
    config = _either(fields, "generationConfig", "generation_config")
    declared = [one for tool in objects(fields, "tools") for one in _declarations(tool)]
    instruction = _either(fields, "systemInstruction", "system_instruction")
    users = [content for content in contents if text(content, "role", "user") == "user"]
    return Ask(
        model=model,
        stream=stream,
        prompt=(
            *_content(instruction),
            *(text_piece(encode(one).decode()) for one in declared),
            *(piece for content in contents for piece in _content(content)),
        ),
        question=" ".join(text(part, "text") for part in objects(users[-1], "parts")) if users else "",
        follows_tool_result=any("functionResponse" in part for part in objects(contents[-1], "parts")),
        tools=tuple(_tool(one) for one in declared),
        tool_choice=_tool_choice(fields),
        json_schema=_schema(config),
        max_tokens=number(config, "maxOutputTokens", "max_output_tokens"),
        stop=strings(config, "stopSequences"),
        answers=max(1, number(config, "candidateCount") or 1),
        effort=_effort(model, config),
        caching="none" if _UNCACHED.match(model) else "automatic",
        terms={"serviceTier": (text(fields, "serviceTier") or "standard").lower()},
        told=frozenset({"image", "audio"}),
    )


def shows_thoughts(fields: Fields) -> bool:
    """Whether the caller wants to see the reasoning."""
    config = _either(fields, "generationConfig", "generation_config")
    return mapping(config, "thinkingConfig").get("includeThoughts") is True


def _either(fields: Fields, camel: str, snake: str) -> Fields:
    return mapping(fields, camel) or mapping(fields, snake)


def _content(content: Fields) -> list[Piece]:
    return [_part(part) for part in objects(content, "parts")]


def _part(part: Fields) -> Piece:
    if "text" in part:
        return text_piece(text(part, "text"))
    inline = _either(part, "inlineData", "inline_data")
    kind = (text(inline, "mimeType") or text(inline, "mime_type")).partition("/")[0]
    if kind == "audio":
        return media_piece(_decoded(inline), "audio", _audio_tokens(_decoded(inline)))
    if kind == "image":
        return media_piece(_decoded(inline), "image", _IMAGE_TOKENS)
    linked = _either(part, "fileData", "file_data")
    if text(linked, "mimeType").startswith("image/"):
        return media_piece(encode(linked), "image", _IMAGE_TOKENS)
    return text_piece(encode({name: value for name, value in part.items() if name != "thoughtSignature"}).decode())


def _audio_tokens(recording: bytes) -> int:
    return max(1, len(recording) * _AUDIO_TOKENS_PER_SECOND // _BYTES_PER_SECOND)


def _decoded(inline: Fields) -> bytes:
    data = text(inline, "data")
    try:
        return base64.b64decode(data, altchars=b"-_" if "-" in data or "_" in data else None)
    except binascii.Error:
        raise Problem("invalid", "Invalid value at 'contents': Base64 decoding failed") from None


def _declarations(tool: Fields) -> list[Fields]:
    return objects(tool, "functionDeclarations") or objects(tool, "function_declarations")


def _tool(declaration: Fields) -> Tool:
    schema = (
        mapping(declaration, "parametersJsonSchema")
        or mapping(declaration, "parameters_json_schema")
        or mapping(declaration, "parameters")
    )
    return Tool(text(declaration, "name"), schema)


def _tool_choice(fields: Fields) -> str:
    calling = _either(_either(fields, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config")
    allowed = strings(calling, "allowedFunctionNames")
    match text(calling, "mode").upper():
        case "ANY":
            return f"={allowed[0]}" if allowed else "any"
        case "NONE":
            return "none"
        case _:
            return "auto"


def _schema(config: Fields) -> Schema | None:
    if text(config, "responseMimeType") != "application/json":
        return None
    return mapping(config, "responseJsonSchema") or mapping(config, "responseSchema")


def _effort(model: str, config: Fields) -> str | None:
    thinking: Any = mapping(config, "thinkingConfig")
    budget = number(thinking, "thinkingBudget")
    if not _THINKING.match(model) or budget == 0 or ("lite" in model and budget is None):
        return None
    return text(thinking, "thinkingLevel").lower() or "medium"
