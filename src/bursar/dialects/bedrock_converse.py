"""Bedrock Converse answers, whole or as an event stream whose last event, ``metadata``, holds the usage."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.bedrock_usage import Measure, measure
from bursar.dialects.estimate import text_bytes, tokens_of
from bursar.dialects.eventstream import Message, MessageParser, encode_event
from bursar.dialects.fields import decoded, document, fields, json_text, mapping, text, utf8_length
from bursar.dialects.payloads import Event
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of


class _Answer(Struct, rename="camel"):
    """The body of an answer, or the payload of a metadata event."""

    usage: Raw = Raw()
    output: Raw = Raw()
    service_tier: Raw = Raw()
    performance_config: Raw = Raw()
    trace: Raw = Raw()


class _Reasoning(Struct):
    text: str = ""


class _ToolUse(Struct):
    input: str = ""


class _Delta(Struct, rename="camel"):
    text: str = ""
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _DeltaEvent(Struct, rename="camel"):
    delta: _Delta
    content_block_index: int | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_DELTA: Final = msgspec.json.Decoder(_DeltaEvent)


class ConverseReader:
    """Collects what one answer says."""

    __slots__ = ("_answer", "_ended", "_error", "_id", "_open_block", "_request", "_stopped", "_text_bytes")

    def __init__(self, request: Request, *, response_id: str | None) -> None:
        self._request = request
        self._id = response_id
        self._answer = _Answer()
        self._error: str | None = None
        self._text_bytes = 0
        self._ended = False
        self._stopped = False
        self._open_block: int | None = None
        """The content block that has deltas and has not stopped."""

    def message(self, message: Message) -> None:
        """Take one message of an event stream."""
        kind = message.kind
        if kind.message != "event":
            self._error = kind.name or kind.message
        elif kind.name == "contentBlockDelta":
            event = decoded(_DELTA, message.payload)
            if event is not None:
                self._text_bytes += _spoken(event.delta)
                self._open_block = event.content_block_index
        elif kind.name == "contentBlockStart":
            index = fields(message.payload).get("contentBlockIndex")
            self._open_block = index if type(index) is int else None
        elif kind.name == "contentBlockStop":
            self._open_block = None
        elif kind.name == "messageStop":
            self._stopped = True
        elif kind.name == "metadata":
            self._answer = decoded(_ANSWER, message.payload) or self._answer
            self._ended = True

    def closing(self) -> list[Event]:
        """The open block's end and the end of the message; what it used is left unsaid, since it is not known."""
        if self._stopped or self._ended or self._error:
            return []
        events = [Event(b'{"stopReason":"max_tokens"}', "messageStop")]
        if self._open_block is not None:
            events.insert(0, Event(b'{"contentBlockIndex":%d}' % self._open_block, "contentBlockStop"))
        return events

    def whole(self, data: bytes, *, complete: bool) -> None:
        """Take an unstreamed answer. Of one that broke off, every byte is counted as text: its end cannot be read."""
        answer = decoded(_ANSWER, data)
        if answer is not None:
            self._answer = answer
            self._ended = bool(answer.usage)
        if not complete:
            self._text_bytes = len(data)
        elif answer is not None and answer.output and not answer.usage:
            self._text_bytes = text_bytes(document(answer.output))

    def reading(self, *, complete: bool, problem: str | None = None) -> Reading:
        """What was said, with estimates in the place of what did not arrive."""
        answer = self._answer
        used, status, notes = settle(
            measure(fields(answer.usage)), request=self._request, spoken_bytes=self._text_bytes, error=self._error
        )
        return Reading(
            usage=used,
            status=status,
            model=_routed_model(fields(answer.trace)),
            service_tier=text(fields(answer.service_tier).get("type")),
            response_id=self._id,
            raw_usage=json_text(answer.usage),
            conditions=latency(fields(answer.performance_config).get("latency")),
            error=self._error,
            complete=complete and self._ended,
            notes=(*notes, problem) if problem else notes,
        )


class ConverseStream:
    """Reads an answer from an event stream."""

    event_ends = b""

    __slots__ = ("_parser", "_reader")

    def __init__(self, reader: ConverseReader) -> None:
        self._parser = MessageParser()
        self._reader = reader

    def read(self, data: bytes) -> None:
        for message in self._parser.feed(data):
            self._reader.message(message)

    def seen(self) -> Reading:
        return self.reading(complete=False)

    def closing(self) -> bytes | None:
        if self._parser.unfinished:
            return None
        return b"".join(encode_event(event.kind, event.payload) for event in self._reader.closing())

    def reading(self, *, complete: bool) -> Reading:
        return self._reader.reading(complete=complete and not self._parser.unfinished, problem=self._parser.problem)


def settle(
    measured: Measure, *, request: Request, spoken_bytes: int, error: str | None
) -> tuple[Usage | None, UsageStatus, tuple[str, ...]]:
    """The usage reported, or an estimate from what was seen, and how much of it is known."""
    notes = measured.problems + measured.notes
    if measured.known:
        return measured.usage, UsageStatus.INCONSISTENT if measured.problems else UsageStatus.REPORTED, notes
    if spoken_bytes:
        asked = tokens_of(text_bytes(document(request.body)))
        used = usage_of({Meter.INPUT_TEXT: asked, Meter.OUTPUT_TEXT: tokens_of(spoken_bytes)})
        note = "no usage was reported: input and output are estimated from their text"
        return used, UsageStatus.ESTIMATED, (*notes, note)
    if error:
        return None, UsageStatus.NONE, notes
    return None, UsageStatus.MISSING, (*notes, "the answer reports no usage")


def latency(value: object) -> tuple[tuple[str, str], ...]:
    """The condition that latency-optimised inference, priced by itself, puts on a price."""
    served = text(value)
    return (("latency", served),) if served and served != "standard" else ()


def _spoken(delta: _Delta) -> int:
    if delta.tool_use:
        return utf8_length(delta.tool_use.input)
    return utf8_length(delta.reasoning_content.text if delta.reasoning_content else delta.text)


def _routed_model(trace: Mapping[str, Any]) -> str | None:
    """The model that a prompt router chose; otherwise the answer does not name one and the path does."""
    routed = text(mapping(trace.get("promptRouter")).get("invokedModelId"))
    return routed.rpartition("/")[2] if routed else None
