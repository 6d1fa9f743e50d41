"""What reaches past a request for content: files, cached contents, media, and the tools that Google runs itself.

Google reads field names in camel case and in snake case, so each is looked for under both.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.fields import decoded, document, is_set, mapping, objects, text
from bursar.dialects.reach import Reach, Survey
from bursar.usage import Meter

PER_PROMPT: Final = re.compile(r"(?:models/)?gemini-[12]\b")
"""Generations whose search grounding is charged once a prompt."""

_FRAME_TOKENS: Final = 64
"""Allowance for what frames the contents."""

_FUNCTIONS: Final = ("functionDeclarations", "function_declarations")
_SEARCHES: Final = ("googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval")
_TEXT_PARTS: Final = frozenset(
    {
        "text",
        "thought",
        "thoughtSignature",
        "thought_signature",
        "functionCall",
        "function_call",
        "executableCode",
        "executable_code",
        "codeExecutionResult",
        "code_execution_result",
        "partMetadata",
        "part_metadata",
        "mediaResolution",
        "media_resolution",
        "videoMetadata",
        "video_metadata",
    }
)
"""Fields of a part that hold text, or say how media in another field are read."""


class _PlainPart(Struct, forbid_unknown_fields=True):
    text: Raw = Raw()


class _PlainContent(Struct, forbid_unknown_fields=True):
    parts: list[_PlainPart] | _PlainPart = []
    role: Raw = Raw()


_PLAIN_CONTENTS: Final = msgspec.json.Decoder(list[_PlainContent] | _PlainContent)
"""Contents of nothing but text: found out without taking them apart."""


class Reaching(Struct):
    """The fields of a request for content, or for embeddings, that decide how far it reaches."""

    contents: Raw = Raw()
    content: Raw = Raw()
    requests: Raw = Raw()
    systemInstruction: Raw = Raw()  # noqa: N815 - wire name
    system_instruction: Raw = Raw()
    tools: Raw = Raw()
    cachedContent: Raw = Raw()  # noqa: N815 - wire name
    cached_content: Raw = Raw()


def content_reach(asked: Reaching, *, model: str, answers: int) -> Reach:
    """The reach of a request to generate or to embed content."""
    survey = Survey()
    for raw in (asked.contents, asked.content, asked.systemInstruction, asked.system_instruction):
        if raw and decoded(_PLAIN_CONTENTS, raw) is None:
            _survey_contents(document(raw), survey)
    for request in objects(document(asked.requests)) if asked.requests else ():
        _survey_contents(request.get("content"), survey)
    if is_set(asked.cachedContent) or is_set(asked.cached_content):
        survey.opens("cachedContent")
    if asked.tools:
        _survey_tools(document(asked.tools), survey, model=model, answers=answers)
    return survey.reach(added_input=_FRAME_TOKENS, answers=answers)


def _survey_tools(tools: object, survey: Survey, *, model: str, answers: int) -> None:
    for tool in tools if isinstance(tools, list) else [tools]:
        for name in mapping(tool):
            if name in _FUNCTIONS:
                continue
            if name in _SEARCHES and PER_PROMPT.match(model):
                survey.opens(name)
                survey.may_use(Meter.SEARCHES, answers)
            else:
                survey.cannot_bound(f"nothing in the request limits what the tool {name[:40]} costs")


def _survey_contents(contents: object, survey: Survey) -> None:
    for content in contents if isinstance(contents, list) else [contents]:
        if content is None or isinstance(content, str):
            continue
        parts = mapping(content).get("parts", content if "parts" not in mapping(content) else None)
        for part in parts if isinstance(parts, list) else [parts]:
            _survey_part(part, survey)


def _survey_part(part: object, survey: Survey) -> None:
    for name, value in mapping(part).items():
        if name in {"inlineData", "inline_data"}:
            _survey_media(mapping(value), survey)
        elif name in {"functionResponse", "function_response"}:
            for inner in objects(mapping(value).get("parts")):
                _survey_part(inner, survey)
        elif name not in _TEXT_PARTS and name != "role":
            survey.opens(f"a part with {name[:40]}")


def _survey_media(media: Mapping[str, Any], survey: Survey) -> None:
    kind = text(media.get("mimeType")) or text(media.get("mime_type")) or "unknown"
    if kind.startswith("image/"):
        survey.image(media.get("data"))
    elif not kind.startswith("text/"):
        survey.opens(f"inline media of type {kind[:40]}")
