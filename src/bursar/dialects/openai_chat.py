"""Chat completions: ``POST /chat/completions``, the format that every OpenAI-compatible provider speaks.

Fees: chat models that search on every answer (``*-search-preview``, ``*-search-api``, or ``web_search_options`` in the
request) report no count of searches; annotations are citations, not calls. OpenAI charges one search per answer of
these models (OpenAI, "Web search", read 2026-11: in chat completions the model always searches before it answers), so
one is counted. Groq's compound systems list what they executed and break their usage down by model.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.chunk_template import ChunkTemplate
from bursar.dialects.estimate import text_bytes
from bursar.dialects.fields import decoded, document, fields, mapping, objects, required, string_map, text, whole
from bursar.dialects.flavours import Flavour
from bursar.dialects.groq_compound import executed_usage, model_shares, note_executed
from bursar.dialects.include_usage import CHANGE, with_include_usage
from bursar.dialects.openai_answer import Answer, spoken
from bursar.dialects.openai_ending import DONE, LENGTH, last_chunks
from bursar.dialects.openai_parts import Autonomy, Message, chat_reach
from bursar.dialects.payloads import Event
from bursar.usage import Meter, usage_of


class _Unread(Autonomy):
    """A request whose messages are not looked at."""

    model: Any = None
    stream: Any = None
    max_completion_tokens: Any = None
    max_tokens: Any = None
    n: Any = None
    best_of: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    service_tier: Any = None
    stream_options: Raw = Raw()


class _Body(_Unread):
    messages: list[Message] = []


_BODY: Final = msgspec.json.Decoder(_Body)
_UNREAD: Final = msgspec.json.Decoder(_Unread)
_SEARCH: Final = "-search-"
_SEARCH_MODELS: Final = (f"{_SEARCH}preview", f"{_SEARCH}api")
_NULL: Final = b"null"
_ONE_SEARCH: Final = usage_of({Meter.SEARCHES: 1})


def read_chat(body: bytes, flavour: Flavour) -> Request:
    """Read a chat completion request; a stream is made to report its usage where the provider needs to be asked."""
    asked, messages = _read_body(body)
    model = text(asked.model)
    caps = [cap for cap in (whole(asked.max_completion_tokens), whole(asked.max_tokens)) if cap is not None]
    answers = max(whole(asked.n) or 1, whole(asked.best_of) or 1)
    stream = asked.stream is True
    changed = (
        with_include_usage(body, has_options=bool(asked.stream_options)) if stream and flavour.asks_usage else None
    )
    searches = flavour.search_models and _searches(model, bytes(asked.web_search_options))
    return Request(
        model=model,
        stream=stream,
        body=body if changed is None else changed,
        max_output_tokens=max(caps) * answers if caps else None,
        user=text(asked.user) or text(asked.safety_identifier),
        metadata=string_map(asked.metadata) if asked.metadata else {},
        service_tier=text(asked.service_tier),
        strip_usage=changed is not None,
        changes=() if changed is None else (CHANGE,),
        usage=_ONE_SEARCH if searches else None,
        reach=chat_reach(asked, messages, model=model, answers=answers, searches=searches, flavour=flavour),
    )


def _read_body(body: bytes) -> tuple[_Unread, list[Message] | None]:
    """The request and its messages; messages that are not of the format's shape are the provider's to refuse."""
    asked = decoded(_BODY, body)
    if asked is not None:
        return asked, asked.messages
    return required(_UNREAD, body), None


def _searches(model: str | None, options: bytes) -> bool:
    if options not in (b"", _NULL):
        return True
    return model is not None and _SEARCH in model and any(mark in model for mark in _SEARCH_MODELS)


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    function: _Function | None = None


class _Audio(Struct):
    transcript: str | None = None


class _Said(Struct):
    """The text of a delta or of a message."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    audio: _Audio | None = None
    executed_tools: Any = None


class _Choice(Struct):
    index: int = 0
    delta: _Said | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = Raw()
    x_groq: Raw = Raw()
    error: Raw = Raw()


class _Loose(Struct):
    """The same chunk when some field is not of its type."""

    id: Any = None
    model: Any = None
    service_tier: Any = None
    choices: Any = None
    usage: Raw = Raw()
    x_groq: Raw = Raw()
    error: Raw = Raw()


class _Whole(Struct):
    id: Any = None
    model: Any = None
    service_tier: Any = None
    choices: Raw = Raw()
    usage: Raw = Raw()
    x_groq: Raw = Raw()
    error: Raw = Raw()
    usage_breakdown: Raw = Raw()


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_LOOSE: Final = msgspec.json.Decoder(_Loose)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_NULL_BYTES: Final = len(_NULL)
"""With ``include_usage`` every chunk but the last says ``"usage":null``; no usage object is as short."""
_EXECUTED: Final = b'"executed_tools"'
_MISTYPED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ChatStream:
    """Reads the chunks of a streamed chat completion."""

    __slots__ = ("_answer", "_executed", "_finished", "_last", "_template")

    def __init__(self, request: Request, flavour: Flavour) -> None:
        self._answer = Answer(request, flavour)
        self._template = ChunkTemplate()
        self._finished: set[int] = set()
        self._last = b""
        self._executed: dict[object, str] = {}

    def payload(self, data: bytes) -> None:
        if data == DONE:
            self._answer.ended = True
            self._last = data
            return
        self._last = data
        template, answer = self._template, self._answer
        words_bytes = template.words_bytes(data)
        if words_bytes is not None:
            answer.spoken_bytes += words_bytes
            return
        template.forget()
        try:
            chunk = _CHUNK.decode(data)
        except _MISTYPED:
            self._loosely(data)
            return
        answer.named(chunk.id, chunk.model, chunk.service_tier)
        for choice in chunk.choices or ():
            if choice.finish_reason is not None:
                answer.ended = True
                self._finished.add(choice.index)
            delta = choice.delta
            if delta is not None:
                answer.spoken_bytes += _said(delta)
                if delta.executed_tools:
                    note_executed(self._executed, delta.executed_tools)
        if len(chunk.usage) > _NULL_BYTES or chunk.x_groq or chunk.error:
            self._account(chunk)
        elif chunk.choices is not None and len(chunk.choices) == 1:
            self._learn(data, chunk.choices[0])

    def closing(self) -> list[Event]:
        open_choices = sorted(set(range(self._answer.request.reach.answers)) - self._finished)
        choices: list[dict[str, Any]] = [
            {"index": index, "delta": {}, "logprobs": None, "finish_reason": LENGTH} for index in open_choices
        ]
        return last_chunks(self._last, choices, model=self._answer.request.model)

    def reading(self, *, complete: bool) -> Reading:
        self._answer.extra = executed_usage(self._executed)
        return self._answer.reading(complete=complete)

    def _learn(self, data: bytes, choice: _Choice) -> None:
        """Remember a chunk that adds nothing but words."""
        delta = choice.delta
        if choice.finish_reason is None and delta is not None and delta.content and not delta.executed_tools:
            words_bytes = len(delta.content)
            if words_bytes == _said(delta):
                self._template.learn(data, words_bytes)

    def _loosely(self, data: bytes) -> None:
        chunk = decoded(_LOOSE, data)
        if chunk is None:
            return
        answer = self._answer
        answer.named(text(chunk.id), text(chunk.model), text(chunk.service_tier))
        for choice in objects(chunk.choices):
            answer.ended = answer.ended or choice.get("finish_reason") is not None
            answer.spoken_bytes += text_bytes(list(mapping(choice.get("delta")).values()))
        self._account(chunk)

    def _account(self, chunk: _Chunk | _Loose) -> None:
        if len(chunk.usage) > _NULL_BYTES:
            self._answer.saw_usage(chunk.usage)
        if chunk.x_groq:
            self._answer.saw_usage(_usage_of_groq(chunk.x_groq))
        if chunk.error:
            self._answer.saw_error(chunk.error)


def read_chat_answer(body: bytes, request: Request, flavour: Flavour, *, complete: bool) -> Reading:
    """Read an unstreamed chat completion. One that broke off counts every byte as text: its end cannot be read."""
    answer = Answer(request, flavour)
    whole_body = decoded(_WHOLE, body)
    if whole_body is None:
        answer.spoken_bytes = 0 if complete else len(body)
        return answer.reading(complete=complete)
    answer.named(text(whole_body.id), text(whole_body.model), text(whole_body.service_tier))
    answer.saw_usage(whole_body.usage)
    if whole_body.x_groq:
        answer.saw_usage(_usage_of_groq(whole_body.x_groq))
    if whole_body.error:
        answer.saw_error(whole_body.error)
    answer.ended = answer.error is None
    if not answer.has_usage:
        answer.spoken_bytes = text_bytes(_messages(whole_body.choices))
    if _EXECUTED in body:
        _add_compound(answer, whole_body)
    return answer.reading(complete=complete)


def _said(delta: _Said) -> int:
    content = delta.content
    total = 0
    if content:
        total = len(content) if content.isascii() else spoken(content)
    if delta.reasoning_content or delta.reasoning or delta.refusal:
        total += spoken(delta.reasoning_content, delta.reasoning, delta.refusal)
    for call in delta.tool_calls or ():
        if call.function is not None:
            total += spoken(call.function.name, call.function.arguments)
    if delta.audio is not None:
        total += spoken(delta.audio.transcript)
    return total


def _messages(choices: Raw) -> list[Any]:
    return [value for choice in objects(document(choices)) for value in mapping(choice.get("message")).values()]


def _usage_of_groq(x_groq: Raw) -> Raw:
    """Groq's older streams put the usage inside ``x_groq`` of the last chunk (groq-python types)."""
    usage = fields(x_groq).get("usage")
    return Raw(msgspec.json.encode(usage)) if usage else Raw()


def _add_compound(answer: Answer, whole_body: _Whole) -> None:
    executed: dict[object, str] = {}
    for choice in objects(document(whole_body.choices)):
        note_executed(executed, mapping(choice.get("message")).get("executed_tools"))
    answer.extra = executed_usage(executed)
    answer.shares = model_shares(fields(whole_body.usage_breakdown), answer.flavour)
