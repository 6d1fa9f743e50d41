"""What a request asks for, once a dialect has read it, and what it is answered with, before a dialect words it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from bursar.simulator.tokens import Kind, Piece, count_tokens

_SLICE: Final = 8

Schema = Mapping[str, Any]
"""A JSON Schema as it came over the wire."""


class Tool(Struct, frozen=True):
    """A function the caller offers."""

    name: str
    schema: Schema


class Ask(Struct, frozen=True, kw_only=True):
    """A generation request in no dialect."""

    model: str
    stream: bool
    prompt: tuple[Piece, ...]
    question: str = ""
    """Text of the last user turn; offered tools are used when it speaks of them."""
    follows_tool_result: bool = False
    """The last turn hands back a tool's result, so the answer is prose."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``none``, ``any``, or ``=name`` for one tool."""
    json_schema: Schema | None = None
    """What the answer must conform to; an empty one asks for any JSON object."""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    answers: int = 1
    effort: str | None = None
    """How hard to reason: ``low``, ``medium``, ``high``; ``None`` not at all."""
    caching: Literal["automatic", "automatic-billed", "explicit", "none"] = "none"
    """How the provider caches this prompt; ``automatic-billed`` also charges for what is written."""
    terms: Mapping[str, str] = {}
    """How the request is served, in the dialect's words, where the usage object repeats it."""
    told: frozenset[Kind] = frozenset()
    """Modalities whose tokens this dialect reports apart; others count as text."""


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL = "tool"


class ToolCall(Struct, frozen=True):
    """A function the answer calls."""

    name: str
    arguments: str
    """JSON text."""

    def value(self) -> Any:
        """The arguments as a value; empty when the answer was cut inside them."""
        try:
            return msgspec.json.decode(self.arguments)
        except msgspec.DecodeError:
            return {}

    def slices(self) -> Iterator[tuple[str, int]]:
        """The arguments in small parts as they are streamed, with the tokens of each; the first bears the name's."""
        counted = -count_tokens(self.name)
        for end in range(_SLICE, len(self.arguments) + _SLICE, _SLICE):
            total = count_tokens(self.arguments[:end])
            yield self.arguments[end - _SLICE : end], total - counted
            counted = total


class Choice(Struct, frozen=True):
    """One of the answers to a request."""

    text: str
    finish: Finish
    tool_call: ToolCall | None = None
    stop_sequence: str | None = None


class Answer(Struct, frozen=True):
    """What was generated."""

    choices: tuple[Choice, ...]
    reasoning: str
    """The reasoning, whether or not the dialect shows it; empty without any."""
