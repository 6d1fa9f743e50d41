"""What reaches past a messages request: media, documents by address, and the tools that Anthropic runs itself.

A request with server tools is a loop on Anthropic's side: the model runs, a tool runs, the model runs again over all of
it, and every run is billed. The loop ends after ten runs with ``stop_reason: pause_turn`` (platform.claude.com,
"Handling stop reasons", read 2026-11). ``max_uses`` limits how often a tool is used in a request (anthropic-sdk-python
`types/web_search_tool_20250305_param.py`).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.fields import decoded, document, is_set, mapping, objects, text, whole
from bursar.dialects.reach import Reach, Survey
from bursar.usage import Meter

_MOST_ROUNDS: Final = 11
"""Ten runs of the tool loop, and the one that answers."""

_FRAME_TOKENS: Final = 64
"""Allowance for what frames the messages."""

_TOOL_USE_TOKENS: Final = 640
"""The instructions that come with any tool: 530 tokens at most (platform.claude.com, "Tool use", pricing, read
2026-11)."""

_CLIENT_TOOL_TOKENS: Final = 2048
"""A tool of Anthropic's own that the caller runs: 735 tokens for computer use and 499 of instructions, 700 for the text
editor, 245 for the shell (same page). The toolsets of 2026 hold several."""

_CLIENT_TOOLS: Final = ("bash_", "text_editor_", "memory_", "computer_", "browser_")
_SERVER_TOOLS: Final = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_")
"""Tools by the beginning of their dated types. Any other runs where or how often this module does not know."""

_TEXT_BLOCKS: Final = frozenset(
    {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "search_result", "tool_reference"}
)
_AUTONOMOUS: Final = ("fallbacks", "mcp_servers", "container", "compaction")
_CONDITIONS: Final = ("speed", "inference_geo")
"""Parameters with prices of their own."""


class Reaching(Struct):
    """The fields of a messages request that decide how far it reaches."""

    messages: Raw = Raw()
    system: Raw = Raw()
    tools: Raw = Raw()
    fallbacks: Raw = Raw()
    mcp_servers: Raw = Raw()
    container: Raw = Raw()
    compaction: Raw = Raw()
    context_management: Raw = Raw()
    thread: Raw = Raw()
    speed: Any = None
    inference_geo: Any = None


class _Message(Struct):
    content: Raw = Raw()


_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_TEXT_STARTS: Final = (b'"', b"")


def messages_reach(asked: Reaching) -> Reach:
    """The reach of a messages request. Most are plain text, so that is found out first."""
    messages = decoded(_MESSAGES, asked.messages) if asked.messages else []
    if messages is not None and _is_plain(asked, messages):
        return _PLAIN
    survey = Survey()
    if messages is None:
        survey.opens("messages of an unknown shape")
    for message in messages or ():
        _survey_content(document(message.content), survey)
    _survey_fields(asked, survey)
    return survey.reach(added_input=_TOOL_USE_TOKENS if asked.tools else _FRAME_TOKENS)


_PLAIN: Final = Reach(added_input=_FRAME_TOKENS)


def _is_plain(asked: Reaching, messages: list[_Message]) -> bool:
    for message in messages:
        if bytes(message.content)[:1] not in _TEXT_STARTS:
            return False
    if asked.system and bytes(asked.system)[:1] != b'"':
        return False
    return not (
        asked.tools
        or asked.fallbacks
        or asked.mcp_servers
        or asked.container
        or asked.compaction
        or asked.context_management
        or asked.thread
        or asked.speed
        or asked.inference_geo
    )


def _survey_fields(asked: Reaching, survey: Survey) -> None:
    for name in _AUTONOMOUS:
        if is_set(getattr(asked, name)):
            survey.cannot_bound(f"nothing in the request limits what its {name} cost")
    if is_set(asked.context_management):
        _survey_edits(mapping(document(asked.context_management)), survey)
    if asked.system:
        _survey_content(document(asked.system), survey)
    if asked.tools:
        _survey_tools(document(asked.tools), survey)
    if is_set(asked.thread):
        survey.opens("thread")
    for name in _CONDITIONS:
        value = text(getattr(asked, name))
        if value:
            survey.asks(name, value)


def _survey_tools(tools: object, survey: Survey) -> None:
    for tool in tools if isinstance(tools, list) else []:
        kind = text(mapping(tool).get("type")) or "custom"
        if kind == "custom":
            continue
        if kind.startswith(_CLIENT_TOOLS):
            survey.adds_tool(_CLIENT_TOOL_TOKENS)
        elif kind.startswith(_SERVER_TOOLS):
            survey.loops(kind, _MOST_ROUNDS)
            _survey_fee(kind, whole(mapping(tool).get("max_uses")), survey)
        else:
            survey.cannot_bound(f"nothing in the request limits what the tool {kind[:40]} costs")


def _survey_fee(kind: str, most: int | None, survey: Survey) -> None:
    if kind.startswith("web_search_"):
        survey.may_use(Meter.SEARCHES, most)
    elif kind.startswith("web_fetch_"):
        survey.may_use(Meter.FETCHES, most)
    elif kind.startswith("code_execution_"):
        survey.may_use(Meter.CODE_EXECUTIONS, most)


def _survey_edits(management: Mapping[str, Any], survey: Survey) -> None:
    """Edits that clear something make the context smaller; any other (compaction) samples beside the answer."""
    for edit in objects(management.get("edits")):
        kind = str(edit.get("type"))
        if not kind.startswith("clear_"):
            survey.cannot_bound(f"nothing in the request limits what the edit {kind[:40]} costs")


def _survey_content(content: object, survey: Survey) -> None:
    survey.contents(content, _survey_block)


def _survey_block(block: Mapping[str, Any], survey: Survey) -> None:
    kind = text(block.get("type"))
    source = mapping(block.get("source"))
    if kind == "image":
        survey.image(source.get("data"))
    elif kind == "tool_result":
        _survey_content(block.get("content"), survey)
    elif kind == "document" and source.get("type") == "content":
        _survey_content(source.get("content"), survey)
    elif kind == "document" and source.get("type") == "text":
        return
    elif kind not in _TEXT_BLOCKS:
        survey.opens(f"a block of type {str(kind)[:40]}")
