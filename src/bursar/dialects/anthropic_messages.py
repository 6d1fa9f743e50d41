"""Anthropic messages: the request's bounds, and the answer's usage, streamed or not.

In a stream the usage of ``message_start`` is what is known first (input exactly, a few output tokens), and that of
``message_delta`` is cumulative: each field's last writer holds, nothing is ever added up
(anthropic-sdk-python 2.12, `types/message_delta_usage.py`).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.anthropic_blocks import Reaching, messages_reach
from bursar.dialects.anthropic_usage import Measure, measure
from bursar.dialects.base import Endpoint, Reading, Request
from bursar.dialects.estimate import text_bytes, tokens_of
from bursar.dialects.fields import (
    decoded,
    document,
    encoded,
    fields,
    mapping,
    required,
    string_map,
    text,
    utf8_length,
    whole,
)
from bursar.dialects.output_cap import Place, with_cap
from bursar.dialects.payloads import Event
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of


class _Body(Reaching):
    model: Any = None
    stream: Any = None
    max_tokens: Any = None
    metadata: Raw = Raw()
    service_tier: Any = None


class _Message(Struct):
    type: Any = None
    id: Any = None
    model: Any = None
    stop_reason: Any = None
    content: Raw = Raw()
    usage: Raw = Raw()
    error: Raw = Raw()


class _Event(Struct):
    type: Any = None
    index: Any = None
    message: Raw = Raw()
    delta: Raw = Raw()
    usage: Raw = Raw()
    error: Raw = Raw()


class _Delta(Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    content: str | None = ""


class _DeltaEvent(Struct):
    delta: _Delta


_BODY: Final = msgspec.json.Decoder(_Body)
_MESSAGE: Final = msgspec.json.Decoder(_Message)
_EVENT: Final = msgspec.json.Decoder(_Event)
_DELTA_EVENT: Final = msgspec.json.Decoder(_DeltaEvent)


def read_messages(endpoint: Endpoint, body: bytes) -> Request:
    """Read a messages request; on Bedrock the path, not the body, names the model and asks for a stream.

    ``max_tokens`` bounds one model's answer, thinking included; what fallbacks, an advisor or compaction sample beside
    it is in the request's reach.
    """
    asked = required(_BODY, body)
    metadata = string_map(document(asked.metadata)) if asked.metadata else {}
    return Request(
        model=endpoint.path_model or text(asked.model),
        stream=endpoint.path_stream or asked.stream is True,
        body=body,
        max_output_tokens=whole(asked.max_tokens),
        user=metadata.get("user_id"),
        metadata=metadata,
        service_tier=text(asked.service_tier),
        reach=messages_reach(asked),
    )


def with_message_cap(request: Request, tokens: int) -> Request | None:
    """The same request with a lower ``max_tokens``; ``None`` where thinking is given as many.

    ``thinking.budget_tokens`` must stay below it (anthropic-sdk-python `types/thinking_config_enabled_param.py`).
    """
    thinking = mapping(fields(request.body).get("thinking"))
    budget = whole(thinking.get("budget_tokens")) if thinking.get("type") == "enabled" else None
    if budget is not None and budget >= tokens:
        return None
    return with_cap(request, _MAX_TOKENS, tokens)


_MAX_TOKENS: Final = Place(("max_tokens",))

_OUTPUT_ESTIMATED: Final = "the answer broke off: its output is estimated from the text that was seen"
_ALL_ESTIMATED: Final = "no usage was reported: input and output are estimated from their text"

_ORDINARY_PLACES: Final = frozenset({"global", "not_available"})


class MessageReader:
    """Collects what one answer says, event by event or all at once."""

    __slots__ = (
        "_ended",
        "_error",
        "_final",
        "_free_refusals",
        "_id",
        "_model",
        "_open_block",
        "_request",
        "_stop_reason",
        "_text_bytes",
        "_usage",
    )

    def __init__(self, request: Request, *, free_refusals: bool = True) -> None:
        """``free_refusals``: the provider does not bill a refusal before any output (Anthropic's own API)."""
        self._request = request
        self._free_refusals = free_refusals
        self._id: str | None = None
        self._model: str | None = None
        self._stop_reason: str | None = None
        self._error: str | None = None
        self._usage: dict[str, Any] = {}
        self._text_bytes = 0
        self._final = False
        self._ended = False
        self._open_block: int | None = None
        """The content block that has started and not stopped."""

    def payload(self, data: bytes) -> None:
        """Take the data of one server-sent event."""
        if b'"content_block_delta"' in data:
            self._count_text(data)
            return
        event = decoded(_EVENT, data)
        if event is None:
            return
        match event.type:
            case "message_start":
                self._start(decoded(_MESSAGE, event.message))
            case "content_block_start":
                self._open_block = event.index
            case "content_block_stop":
                self._open_block = None
            case "message_delta":
                self._stop_reason = text(fields(event.delta).get("stop_reason")) or self._stop_reason
                self._final = self._update(event.usage) or self._final
            case "message_stop":
                self._ended = True
            case "error":
                self._error = text(fields(event.error).get("type")) or "error"

    def closing(self) -> list[Event]:
        """The open block's end, the end of the message for want of tokens, and the stop; the output is an estimate."""
        if self._ended or self._error or self._id is None:
            return []
        events: list[dict[str, Any]] = []
        if self._open_block is not None:
            events.append({"type": "content_block_stop", "index": self._open_block})
        if not self._final:
            usage = {**self._usage, "output_tokens": max(tokens_of(self._text_bytes), 1)}
            delta = {"stop_reason": "max_tokens", "stop_sequence": None}
            events.append({"type": "message_delta", "delta": delta, "usage": usage})
        events.append({"type": "message_stop"})
        return [Event(msgspec.json.encode(event), event["type"]) for event in events]

    def body(self, data: bytes, *, complete: bool) -> None:
        """Take an unstreamed message. Of one that broke off, every byte is counted as text: its end cannot be read."""
        message = decoded(_MESSAGE, data)
        if message is None:
            self._text_bytes = 0 if complete else len(data)
            return
        if message.type == "error" or message.error:
            self._error = text(fields(message.error).get("type")) or "error"
            return
        self._start(message)
        self._stop_reason = text(message.stop_reason)
        self._final = "output_tokens" in self._usage
        self._ended = True
        if not self._final:
            self._text_bytes = text_bytes(document(message.content))

    def reading(self, *, complete: bool) -> Reading:
        """What was said, with estimates in the place of what did not arrive."""
        refused = self._free_refusals and self._stop_reason == "refusal"
        measured = measure(self._usage, model=self._model or self._request.model or "", refused=refused)
        used, status, notes = self._settle(measured)
        return Reading(
            usage=used,
            status=status,
            model=self._model,
            service_tier=text(self._usage.get("service_tier")),
            response_id=self._id,
            raw_usage=encoded(self._usage) if self._usage else None,
            conditions=_conditions(self._usage),
            error=self._error,
            complete=complete and self._ended,
            notes=notes,
            parts=measured.parts if len(measured.parts) > 1 else (),
        )

    def _start(self, message: _Message | None) -> None:
        if message is None:
            return
        self._id = text(message.id)
        self._model = text(message.model)
        self._update(message.usage)

    def _update(self, usage: Raw) -> bool:
        """Merge a usage object, each field's last writer winning; whether it counts the output."""
        latest = fields(usage)
        self._usage.update((name, value) for name, value in latest.items() if value is not None)
        return "output_tokens" in latest

    def _count_text(self, data: bytes) -> None:
        event = decoded(_DELTA_EVENT, data)
        if event is not None:
            delta = event.delta
            self._text_bytes += utf8_length(delta.text or delta.thinking or delta.partial_json or delta.content or "")

    def _settle(self, measured: Measure) -> tuple[Usage | None, UsageStatus, tuple[str, ...]]:
        notes = measured.problems + measured.notes
        if measured.known and self._final:
            used = measured.usage
            if measured.problems:
                return used, UsageStatus.INCONSISTENT, notes
            return (used, UsageStatus.REPORTED, notes) if used.counts else (None, UsageStatus.NONE, notes)
        if measured.known:
            return self._estimate_output(measured.usage), UsageStatus.ESTIMATED, (*notes, _OUTPUT_ESTIMATED)
        if self._text_bytes:
            return self._estimate_all(), UsageStatus.ESTIMATED, (*notes, _ALL_ESTIMATED)
        if self._error:
            return None, UsageStatus.NONE, notes
        return None, UsageStatus.MISSING, (*notes, "the answer reports no usage")

    def _estimate_output(self, used: Usage) -> Usage:
        missing = tokens_of(self._text_bytes) - used.output_tokens
        return used + usage_of({Meter.OUTPUT_TEXT: missing}) if missing > 0 else used

    def _estimate_all(self) -> Usage:
        asked = tokens_of(text_bytes(document(self._request.body)))
        return usage_of({Meter.INPUT_TEXT: asked, Meter.OUTPUT_TEXT: tokens_of(self._text_bytes)})


def _conditions(usage: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Speed and place of inference, where they are not the ordinary ones and so change the price."""
    found = []
    speed = text(usage.get("speed"))
    if speed and speed != "standard":
        found.append(("speed", speed))
    place = text(usage.get("inference_geo"))
    if place and place not in _ORDINARY_PLACES:
        found.append(("inference_geo", place))
    return tuple(found)
