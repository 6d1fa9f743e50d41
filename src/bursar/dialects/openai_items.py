"""What reaches past a request for a response: stored conversations, files, and the tools that OpenAI runs itself.

Calls to built-in tools are limited by ``max_tool_calls`` over all tools together (openai-python
`types/responses/response_create_params.py`); each call may lead to one more run of the model. Tools for which that
limit is not documented to hold (MCP servers), and those that run other models (image generation), have no bound.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Raw, Struct

from bursar.dialects.fields import document, is_set, mapping, text, whole
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_parts import survey_image_url
from bursar.dialects.reach import Reach, Survey
from bursar.usage import Meter

_CLIENT_TOOL_TOKENS: Final = 1024
"""Allowance for a tool that the caller runs and the provider describes: OpenAI publishes no figures; Anthropic's
longest description of such a tool is 735 tokens."""

_CALLERS_TOOLS: Final = frozenset({"function", "custom"})
_KNOWN_TO_MODEL: Final = frozenset({"local_shell", "apply_patch", "computer", "computer_use_preview"})
"""Tools whose descriptions the provider adds and which the caller runs."""

_BUILT_IN: Final[Mapping[str, Meter]] = {
    "web_search": Meter.SEARCHES,
    "web_search_preview": Meter.SEARCHES,
    "file_search": Meter.FILE_SEARCHES,
    "code_interpreter": Meter.CODE_EXECUTIONS,
}
"""Tools whose calls ``max_tool_calls`` counts, and what a call of each is charged as."""

_TEXT_ITEMS: Final = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "local_shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
    }
)
"""Items that are nothing but what the body says of them."""

_TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})

_STORED: Final = ("previous_response_id", "conversation", "prompt")
_AUTONOMOUS: Final = ("context_management", "mcp_servers", "models", "plugins", "fallbacks")

_ONE_RUN: Final = (None, "standard")
"""Modes of reasoning in which the model runs once: for ``pro``, 1,549 input tokens were recorded on a body of 218
bytes."""


class Reaching(Struct):
    """The fields of a request for a response that decide how far it reaches."""

    input: Raw = Raw()
    tools: Raw = Raw()
    max_tool_calls: Any = None
    previous_response_id: Raw = Raw()
    conversation: Raw = Raw()
    prompt: Raw = Raw()
    context_management: Raw = Raw()
    mcp_servers: Raw = Raw()
    models: Raw = Raw()
    plugins: Raw = Raw()
    fallbacks: Raw = Raw()
    reasoning: Raw = Raw()


def response_reach(asked: Reaching, flavour: Flavour) -> Reach:
    """The reach of a request for a response."""
    survey = Survey()
    for name in _STORED:
        if is_set(getattr(asked, name)):
            survey.opens(name)
    for name in _AUTONOMOUS:
        if is_set(getattr(asked, name)):
            survey.cannot_bound(f"nothing in the request limits what its {name} cost")
    if asked.input and not bytes(asked.input).startswith(b'"'):
        _survey_items(document(asked.input), survey)
    mode = text(mapping(document(asked.reasoning)).get("mode")) if asked.reasoning else None
    if mode not in _ONE_RUN:
        survey.cannot_bound(f"nothing in the request limits how often reasoning mode {mode} runs the model")
    if asked.tools:
        _survey_tools(document(asked.tools), whole(asked.max_tool_calls), survey, flavour)
    return survey.reach(added_input=flavour.added_input, is_cap_partial=flavour.reasoning_beside)


def _survey_tools(tools: object, most_calls: int | None, survey: Survey, flavour: Flavour) -> None:
    for tool in tools if isinstance(tools, list) else []:
        kind = str(mapping(tool).get("type"))
        meter = _BUILT_IN.get(kind) or _BUILT_IN.get(_undated(kind))
        if kind in _CALLERS_TOOLS:
            continue
        if kind in _KNOWN_TO_MODEL:
            survey.adds_tool(_CLIENT_TOOL_TOKENS)
        elif meter is None or not flavour.search_models:
            survey.cannot_bound(f"nothing in the request limits what the tool {kind[:40]} costs")
        elif most_calls is None:
            survey.cannot_bound(f"{kind} may be called any number of times; set max_tool_calls")
        else:
            survey.loops(kind, most_calls + 1)
            survey.may_use(meter, most_calls)


def _undated(kind: str) -> str:
    """``web_search_2025_08_26`` is ``web_search``."""
    return kind.rstrip("0123456789_")


def _survey_items(items: object, survey: Survey) -> None:
    if not isinstance(items, list):
        survey.opens("input of an unknown shape")
        return
    for item in items:
        kind = text(mapping(item).get("type")) or "message"
        if kind == "message":
            _survey_content(mapping(item).get("content"), survey)
        elif kind in _OUTPUTS:
            _survey_content(mapping(item).get("output"), survey)
        elif kind == "computer_call_output":
            _survey_part(mapping(mapping(item).get("output")), survey)
        elif kind == "reasoning" and _is_self_contained(mapping(item)):
            continue
        elif kind not in _TEXT_ITEMS:
            survey.opens(f"an item of type {kind[:40]}")


def _is_self_contained(item: Mapping[str, Any]) -> bool:
    """Whether a reasoning item brings its content along instead of naming one that is stored."""
    return bool(text(item.get("encrypted_content"))) or text(item.get("id")) is None


def _survey_content(content: object, survey: Survey) -> None:
    survey.contents(content, _survey_part)


def _survey_part(part: Mapping[str, Any], survey: Survey) -> None:
    kind = text(part.get("type"))
    if kind in {"input_image", "computer_screenshot"}:
        survey_image_url(part.get("image_url"), survey)
    elif kind not in _TEXT_PARTS:
        survey.opens(f"a part of type {str(kind)[:40]}")
