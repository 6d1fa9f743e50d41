"""Responses: ``POST /responses`` and the routes below it.

Fees beside the tokens come from ``tool_usage`` where the answer has it (openai-python `types/responses/response.py`:
"billable searches", opening a page excluded). Older answers have only their output items, so these are counted: search
actions of ``web_search_call``, ``file_search_call``, and for the code interpreter each container once, since OpenAI
charges per container session. A container that outlives the answer is counted again by the next answer that uses it.

Background: a response made with ``background`` is answered before it has usage. That row's usage is `missing`, with a
note, because the cost is not zero but is not known yet; the retrieval that first reports terminal usage is the row that
bills. Every later retrieval reports the same usage again, as does one after a background stream that was read to its
end; both carry the note `BACKGROUND` and the response id, and the ledger bills an id once, the last report winning.
Retrieving a response that was not made in the background bills nothing: its creation did.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.estimate import text_bytes
from bursar.dialects.fields import count, decoded, document, fields, mapping, objects, required, string_map, text, whole
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_answer import Answer, error_type, spoken
from bursar.dialects.openai_items import Reaching, response_reach
from bursar.dialects.openai_usage import Plain, settle
from bursar.dialects.payloads import Event
from bursar.events import Part, UsageStatus
from bursar.usage import Meter, usage_of

BACKGROUND: Final = "background response: billed once for its id, by the answer that reports its final usage"
PENDING: Final = "background response: its usage is reported when it is retrieved"
ALREADY_BILLED: Final = "retrieved: the request that created this response was billed"

_UNDECIDED: Final = "auto"
"""The tier of a response that has not been served yet; its final event names the true one."""

_INCOMPLETE: Final = "response.incomplete"
_OUT_OF_TOKENS: Final = {"reason": "max_output_tokens"}

_TERMINAL: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})


class _Body(Reaching):
    model: Any = None
    stream: Any = None
    max_output_tokens: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    service_tier: Any = None


class _Response(Struct):
    id: Any = None
    model: Any = None
    object: Any = None
    status: Any = None
    background: Any = None
    service_tier: Any = None
    usage: Raw = Raw()
    tool_usage: Raw = Raw()
    output: Raw = Raw()
    tools: Raw = Raw()
    error: Raw = Raw()


class _Event(Struct):
    type: Any = None
    sequence_number: Any = None
    delta: Any = None
    item: Raw = Raw()
    response: Raw = Raw()
    error: Raw = Raw()
    code: Any = None


_BODY: Final = msgspec.json.Decoder(_Body)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_responses(body: bytes, flavour: Flavour) -> Request:
    """Read a request for a response; its streams always report usage."""
    asked = required(_BODY, body)
    return Request(
        model=text(asked.model),
        stream=asked.stream is True,
        body=body,
        max_output_tokens=whole(asked.max_output_tokens),
        user=text(asked.user) or text(asked.safety_identifier),
        metadata=string_map(asked.metadata) if asked.metadata else {},
        service_tier=text(asked.service_tier),
        reach=response_reach(asked, flavour),
    )


class ResponseReader:
    """Collects one response, from its events or from its body."""

    __slots__ = ("_answer", "_background", "_fees", "_latest", "_retrieved", "_sequence", "_status")

    def __init__(self, request: Request, flavour: Flavour, *, retrieved: bool = False) -> None:
        self._answer = Answer(request, flavour)
        self._retrieved = retrieved
        self._background = False
        self._status: str | None = None
        self._latest = Raw()
        """The response as an event described it last."""
        self._sequence = -1
        self._fees = _Fees()

    def payload(self, data: bytes) -> None:
        """Take one event of a stream."""
        event = decoded(_EVENT, data)
        if event is None:
            return
        if isinstance(event.delta, str):
            self._answer.spoken_bytes += spoken(event.delta)
        if type(event.sequence_number) is int:
            self._sequence = event.sequence_number
        if event.response:
            self._latest = event.response
            response = decoded(_RESPONSE, event.response)
            if response is not None:
                self._take(response)
        elif event.item:
            self._fees.items([fields(event.item)])
        if event.type == "error":
            self._answer.error = error_type(fields(event.error) or {"code": event.code})

    def body(self, data: bytes, *, complete: bool) -> None:
        """Take an unstreamed response. Of one that broke off every byte counts as text: its end cannot be read."""
        response = decoded(_RESPONSE, data)
        if response is None:
            self._answer.spoken_bytes = 0 if complete else len(data)
            return
        self._take(response)
        self._answer.ended = self._answer.ended or response.object == "response.compaction"
        if not self._answer.has_usage:
            self._answer.spoken_bytes = text_bytes(document(response.output))

    def closing(self) -> list[Event]:
        if self._status in _TERMINAL:
            return []
        response = {**fields(self._latest), "status": "incomplete", "incomplete_details": _OUT_OF_TOKENS}
        event = {"type": _INCOMPLETE, "sequence_number": self._sequence + 1, "response": response}
        return [Event(msgspec.json.encode(event), _INCOMPLETE)]

    def reading(self, *, complete: bool) -> Reading:
        answer = self._answer
        if self._retrieved and not self._background:
            return self._unbilled(UsageStatus.NONE, ALREADY_BILLED)
        if self._background and not answer.has_usage and (self._status not in _TERMINAL or self._retrieved):
            status = UsageStatus.NONE if self._retrieved else UsageStatus.MISSING
            return self._unbilled(status, PENDING)
        answer.extra = usage_of(self._fees.meters())
        answer.side_parts = self._fees.side_parts(answer.flavour)
        answer.notes = (*((BACKGROUND,) if self._background else ()), *self._fees.notes())
        reading = answer.reading(complete=complete)
        return msgspec.structs.replace(reading, once=reading.response_id) if self._background else reading

    def _take(self, response: _Response) -> None:
        answer = self._answer
        tier = None if response.service_tier == _UNDECIDED else text(response.service_tier)
        answer.named(text(response.id), text(response.model), tier)
        self._status = text(response.status) or self._status
        self._background = self._background or response.background is True
        answer.ended = answer.ended or self._status in _TERMINAL
        if response.usage:
            answer.saw_usage(response.usage)
        if response.error:
            answer.saw_error(response.error)
        if response.output:
            self._fees.items(objects(document(response.output)))
        if response.tool_usage or response.tools:
            self._fees.reported(fields(response.tool_usage), objects(document(response.tools)))

    def _unbilled(self, status: UsageStatus, note: str) -> Reading:
        answer = self._answer
        return Reading(
            usage=None,
            status=status,
            model=answer.model,
            service_tier=answer.service_tier,
            response_id=answer.id,
            error=answer.error,
            complete=answer.ended,
            notes=(note,),
        )


def read_response(
    body: bytes, request: Request, flavour: Flavour, *, complete: bool, retrieved: bool = False
) -> Reading:
    """Read an unstreamed response; ``retrieved`` when it was created by an earlier request."""
    reader = ResponseReader(request, flavour, retrieved=retrieved)
    reader.body(body, complete=complete)
    return reader.reading(complete=complete)


class _Fees:
    """Tool calls of one response. A stream shows each item several times, so they are kept by id."""

    __slots__ = ("_calls", "_image_model", "_usage")

    def __init__(self) -> None:
        self._calls: dict[Meter, set[str]] = {}
        self._usage: Mapping[str, Any] = {}
        self._image_model = _DEFAULT_IMAGE_MODEL

    def items(self, items: list[Mapping[str, Any]]) -> None:
        """Note the output items that cost a fee."""
        for item in items:
            found = _fee(item)
            if found is not None:
                meter, identity = found
                self._calls.setdefault(meter, set()).add(identity)

    def reported(self, usage: Mapping[str, Any], tools: list[Mapping[str, Any]]) -> None:
        """Note what the response itself says of its tools."""
        self._usage = usage or self._usage
        for tool in tools:
            if tool.get("type") == "image_generation":
                self._image_model = text(tool.get("model")) or self._image_model

    def meters(self) -> dict[Meter, int]:
        """The fees charged to the response's own model."""
        meters = dict[Meter, int]()
        for meter, calls in self._calls.items():
            if meter is not Meter.IMAGES:
                meters[meter] = len(calls)
        searches = count(mapping(self._usage.get("web_search")), "num_requests", [])
        if searches is not None:
            meters[Meter.SEARCHES] = searches
        return meters

    def side_parts(self, flavour: Flavour) -> tuple[Part, ...]:
        """Images drawn by another model: its tokens where they are reported, else the number of images, which has no
        token price, so that the row shows as unpriced instead of too cheap.
        """
        drawn = settle(mapping(self._usage.get("image_gen")), flavour, _IMAGES).usage
        if drawn is not None and drawn.counts:
            return (Part(self._image_model, drawn),)
        images = self._calls.get(Meter.IMAGES)
        return (Part(self._image_model, usage_of({Meter.IMAGES: len(images)})),) if images else ()

    def notes(self) -> tuple[str, ...]:
        images = self._calls.get(Meter.IMAGES)
        if not images or mapping(self._usage.get("image_gen")).get("total_tokens"):
            return ()
        return (f"{len(images)} images were generated whose tokens the response does not report",)


_IMAGES: Final = Plain(output=Meter.OUTPUT_IMAGE)
_DEFAULT_IMAGE_MODEL: Final = "gpt-image-1"
"""The model of the image generation tool unless the request names one (OpenAI API reference, read 2026-11)."""


def _fee(item: Mapping[str, Any]) -> tuple[Meter, str] | None:
    identity = text(item.get("id")) or text(item.get("call_id")) or ""
    match item.get("type"):
        case "web_search_call":
            action = mapping(item.get("action")).get("type", "search")
            return (Meter.SEARCHES, identity) if action == "search" and item.get("status") != "in_progress" else None
        case "file_search_call":
            return Meter.FILE_SEARCHES, identity
        case "code_interpreter_call":
            return Meter.CODE_EXECUTIONS, text(item.get("container_id")) or identity
        case "image_generation_call":
            return Meter.IMAGES, identity
        case _:
            return None
