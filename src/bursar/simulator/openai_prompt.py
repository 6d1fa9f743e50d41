"""What OpenAI's chat and responses requests have in common: content parts, tools, formats, tiers, usage."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bursar.simulator.ask import Schema, Tool
from bursar.simulator.fields import Fields, mapping, text
from bursar.simulator.sse import encode
from bursar.simulator.tokens import Piece, media_piece, text_piece
from bursar.usage import Meter, Usage

IMAGE_TOKENS: Final = 765
"""A 1024 by 1024 image at high detail (OpenAI, "Images and vision", read 2026-11); sizes are not told apart here."""
_LOW_DETAIL_TOKENS: Final = 85
_AUDIO_BYTES_PER_TOKEN: Final = 3200
"""A tenth of a second of 16 kHz 16-bit mono, as if every recording were that."""


def content_pieces(content: Any) -> list[Piece]:
    """The pieces of a message's content: a string, or a list of typed parts."""
    if isinstance(content, str):
        return [text_piece(content)] if content else []
    if not isinstance(content, list):
        return []
    return [piece for part in content if isinstance(part, dict) for piece in _part(part)]


def plain_text(content: Any) -> str:
    """The text of a message's content, parts joined."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def tool_pieces(tools: Iterable[Fields]) -> list[Piece]:
    """Declarations of tools count as the text they are."""
    return [text_piece(encode(tool).decode()) for tool in tools]


def tool_of(function: Fields) -> Tool:
    """A function declaration."""
    return Tool(text(function, "name"), mapping(function, "parameters"))


def schema_of(response_format: Fields) -> Schema | None:
    """The schema a response format asks for; an empty one for any object."""
    match text(response_format, "type"):
        case "json_object":
            return {}
        case "json_schema":
            return mapping(response_format.get("json_schema") or response_format, "schema")
        case _:
            return None


def served_tier(asked: str) -> str:
    """The tier that serves a request (`service_tier` of the response, API reference, read 2026-11)."""
    return {"": "default", "auto": "default", "fast": "priority"}.get(asked, asked)


def chat_usage(usage: Usage) -> Mapping[str, Any]:
    """Chat completions' usage: totals include cached, written and reasoning tokens."""
    prompt_details = {
        "cached_tokens": usage.quantity(Meter.CACHE_READ),
        "audio_tokens": usage.quantity(Meter.INPUT_AUDIO),
    }
    if usage.quantity(Meter.CACHE_WRITE_30M):
        prompt_details["cache_write_tokens"] = usage.quantity(Meter.CACHE_WRITE_30M)
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.quantity(Meter.OUTPUT_REASONING),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def responses_usage(usage: Usage) -> Mapping[str, Any]:
    """The Responses API's usage: totals include cached, written and reasoning tokens."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.quantity(Meter.CACHE_READ),
            "cache_write_tokens": usage.quantity(Meter.CACHE_WRITE_30M),
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.quantity(Meter.OUTPUT_REASONING)},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _part(part: Fields) -> list[Piece]:
    match text(part, "type"):
        case "text" | "input_text" | "output_text" | "refusal":
            return content_pieces(text(part, "text") or text(part, "refusal"))
        case "image_url":
            image = part.get("image_url")
            image = image if isinstance(image, dict) else {"url": str(image)}
            return [_image(text(image, "url"), text(image, "detail"))]
        case "input_image":
            return [_image(text(part, "image_url") or text(part, "file_id"), text(part, "detail"))]
        case "input_audio":
            return [_audio(mapping(part, "input_audio"))]
        case "file" | "input_file":
            return [text_piece(encode(part).decode())]
        case _:
            return []


def _image(source: str, detail: str) -> Piece:
    return media_piece(source.encode(), "image", _LOW_DETAIL_TOKENS if detail == "low" else IMAGE_TOKENS)


def _audio(audio: Fields) -> Piece:
    try:
        recording = base64.b64decode(text(audio, "data"))
    except binascii.Error:
        recording = text(audio, "data").encode()
    return media_piece(recording, "audio", max(1, len(recording) // _AUDIO_BYTES_PER_TOKEN))
