"""What reaches past a chat completion's request: its parts that are no text, and the tools a provider runs itself.

Plain text, in whatever shape, is inside the bytes of the body. Anything not known to be is taken to bring more.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Raw, Struct

from bursar.dialects.fields import document, is_set, mapping, text
from bursar.dialects.flavours import Flavour
from bursar.dialects.reach import Reach, Survey
from bursar.usage import Meter

_TEXT: Final = frozenset({"text", "refusal", "thinking"})
_CALLERS_TOOLS: Final = frozenset({"function", "custom"})
"""Tools whose descriptions are in the body and which the caller runs."""

_RUNS_TOOLS: Final[Mapping[str, str]] = {
    "search_parameters": "live search",
    "plugins": "plugins",
    "data_sources": "data sources",
    "mcp_servers": "MCP servers",
    "compound_custom": "compound tools",
    "models": "fallback models",
    "fallbacks": "fallback models",
}
"""Fields with which a provider searches, calls or falls back by itself: xAI, OpenRouter, Azure, Groq, LiteLLM."""

_COMPOUND: Final = ("compound", "compound-mini", "groq/compound", "groq/compound-mini", "compound-beta")
_ONLINE: Final = ":online"
_TEXT_STARTS: Final = (b'"', b"n", b"")
"""First bytes of content that is a string, null or absent."""


class Message(Struct):
    """One message, as far as it is looked at."""

    content: Raw = Raw()
    audio: Raw = Raw()


class Autonomy(Struct):
    """The fields of a request with which the provider may do more than answer once."""

    tools: Raw = Raw()
    web_search_options: Raw = Raw()
    search_parameters: Raw = Raw()
    plugins: Raw = Raw()
    data_sources: Raw = Raw()
    mcp_servers: Raw = Raw()
    compound_custom: Raw = Raw()
    models: Raw = Raw()
    fallbacks: Raw = Raw()
    prediction: Raw = Raw()


def chat_reach(
    asked: Autonomy,
    messages: list[Message] | None,
    *,
    model: str | None,
    answers: int,
    searches: bool,
    flavour: Flavour,
) -> Reach:
    """The reach of a chat request; ``messages`` is ``None`` when they are not of the format's shape.

    ``searches``: the model searches once before each answer. Most requests are plain text, so that is found out first.
    """
    is_compound = model is not None and (model in _COMPOUND or model.endswith(_ONLINE))
    if messages is None or searches or is_compound or not _is_plain(asked, messages):
        return _survey_chat(asked, messages, model=model, answers=answers, searches=searches, flavour=flavour)
    return Reach(added_input=flavour.added_input, is_cap_partial=flavour.reasoning_beside, answers=answers)


def _is_plain(asked: Autonomy, messages: list[Message]) -> bool:
    for message in messages:
        if bytes(message.content)[:1] not in _TEXT_STARTS or message.audio:
            return False
    return not (
        asked.tools
        or asked.web_search_options
        or asked.prediction
        or asked.search_parameters
        or asked.plugins
        or asked.data_sources
        or asked.mcp_servers
        or asked.compound_custom
        or asked.models
        or asked.fallbacks
    )


def _survey_chat(
    asked: Autonomy,
    messages: list[Message] | None,
    *,
    model: str | None,
    answers: int,
    searches: bool,
    flavour: Flavour,
) -> Reach:
    survey = Survey()
    if messages is None:
        survey.opens("messages of an unknown shape")
    for message in messages or ():
        _survey_message(message, survey)
    if asked.tools:
        survey_tools(document(asked.tools), survey)
    if searches:
        survey.opens("the model's own search")
        survey.may_use(Meter.SEARCHES, answers)
    elif is_set(asked.web_search_options):
        survey.cannot_bound("nothing in the request limits what its web_search_options cost")
    for name, what in _RUNS_TOOLS.items():
        if is_set(getattr(asked, name)) and bytes(getattr(asked, name)) not in (b"[]", b"{}"):
            survey.cannot_bound(f"nothing in the request limits what its {what} cost")
    if model is not None and (model in _COMPOUND or model.endswith(_ONLINE)):
        survey.cannot_bound(f"{model} runs tools of its own, which nothing in the request limits")
    return survey.reach(
        added_input=flavour.added_input,
        added_output=len(bytes(asked.prediction)) * answers if is_set(asked.prediction) else 0,
        is_cap_partial=flavour.reasoning_beside,
        answers=answers,
    )


def _survey_message(message: Message, survey: Survey) -> None:
    start = bytes(message.content)[:1]
    if start == b"[":
        _survey_parts(document(message.content), survey)
    elif start not in _TEXT_STARTS:
        survey.opens("a message of an unknown shape")
    if is_set(message.audio):
        survey.opens("an earlier spoken answer")


def survey_tools(tools: object, survey: Survey) -> None:
    """Take in a list of tools: functions are the caller's to run, all others the provider's."""
    for tool in tools if isinstance(tools, list) else [tools]:
        kind = mapping(tool).get("type", "function")
        if kind not in _CALLERS_TOOLS:
            survey.cannot_bound(f"nothing in the request limits what the tool {str(kind)[:40]} costs")


def _survey_parts(parts: object, survey: Survey) -> None:
    for part in parts if isinstance(parts, list) else []:
        kind = text(mapping(part).get("type"))
        if kind == "image_url":
            image = mapping(part).get("image_url")
            survey_image_url(image if isinstance(image, str) else mapping(image).get("url"), survey)
        elif kind not in _TEXT:
            survey.opens(f"a part of type {str(kind)[:40]}")


def survey_image_url(url: object, survey: Survey) -> None:
    """Take in an image by its address, which may be the image itself."""
    if not isinstance(url, str) or not url.startswith("data:"):
        survey.image()
    elif url.startswith("data:image/"):
        survey.image(url)
    else:
        survey.opens("an encoded file")
