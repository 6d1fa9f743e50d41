"""Legacy completions: ``POST /completions``.

``best_of`` answers are generated and billed even though only ``n`` come back, and a list of prompts is answered once
each (OpenAI API reference, "Create completion", read 2026-11).
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import decoded, document, objects, required, text, utf8_length, whole
from bursar.dialects.flavours import Flavour
from bursar.dialects.include_usage import CHANGE, with_include_usage
from bursar.dialects.openai_answer import Answer
from bursar.dialects.openai_ending import DONE, LENGTH, last_chunks
from bursar.dialects.payloads import Event
from bursar.dialects.reach import Reach


class _Body(Struct):
    model: Any = None
    stream: Any = None
    prompt: Raw = Raw()
    max_tokens: Any = None
    n: Any = None
    best_of: Any = None
    user: Any = None
    service_tier: Any = None
    stream_options: Raw = Raw()


class _Chunk(Struct):
    id: Any = None
    model: Any = None
    service_tier: Any = None
    choices: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


_BODY: Final = msgspec.json.Decoder(_Body)
_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def read_completion(body: bytes, flavour: Flavour) -> Request:
    """Read a completion request; a stream is made to report its usage where the provider needs to be asked."""
    asked = required(_BODY, body)
    stream = asked.stream is True
    changed = (
        with_include_usage(body, has_options=bool(asked.stream_options)) if stream and flavour.asks_usage else None
    )
    cap = whole(asked.max_tokens)
    answers = max(whole(asked.n) or 1, whole(asked.best_of) or 1) * _prompts(asked.prompt)
    return Request(
        model=text(asked.model),
        stream=stream,
        body=body if changed is None else changed,
        max_output_tokens=None if cap is None else cap * answers,
        user=text(asked.user),
        service_tier=text(asked.service_tier),
        strip_usage=changed is not None,
        changes=() if changed is None else (CHANGE,),
        reach=Reach(added_input=flavour.added_input, is_cap_partial=flavour.reasoning_beside, answers=answers),
    )


def _prompts(prompt: Raw) -> int:
    """How many prompts there are: a list of strings or of token lists holds several, a list of tokens is one."""
    if not bytes(prompt).startswith(b"["):
        return 1
    value = document(prompt)
    if isinstance(value, list) and value and not isinstance(value[0], int):
        return len(value)
    return 1


class CompletionStream:
    """Reads the chunks of a streamed completion."""

    __slots__ = ("_answer", "_finished", "_last")

    def __init__(self, request: Request, flavour: Flavour) -> None:
        self._answer = Answer(request, flavour)
        self._finished: set[object] = set()
        self._last = b""

    def payload(self, data: bytes) -> None:
        self._last = data
        if data == DONE:
            self._answer.ended = True
            return
        chunk = decoded(_CHUNK, data)
        if chunk is not None:
            _take(self._answer, chunk)
            self._finished.update(
                choice.get("index") for choice in objects(chunk.choices) if choice.get("finish_reason") is not None
            )

    def closing(self) -> list[Event]:
        open_choices = [index for index in range(self._answer.request.reach.answers) if index not in self._finished]
        choices = [{"index": index, "text": "", "logprobs": None, "finish_reason": LENGTH} for index in open_choices]
        return last_chunks(self._last, choices, model=self._answer.request.model)

    def reading(self, *, complete: bool) -> Reading:
        return self._answer.reading(complete=complete)


def read_completion_answer(body: bytes, request: Request, flavour: Flavour, *, complete: bool) -> Reading:
    """Read an unstreamed completion. One that broke off counts every byte as text: its end cannot be read."""
    answer = Answer(request, flavour)
    chunk = decoded(_CHUNK, body)
    if chunk is None:
        answer.spoken_bytes = 0 if complete else len(body)
    else:
        _take(answer, chunk)
        answer.ended = answer.error is None
    return answer.reading(complete=complete)


def _take(answer: Answer, chunk: _Chunk) -> None:
    answer.named(text(chunk.id), text(chunk.model), text(chunk.service_tier))
    for choice in objects(chunk.choices):
        answer.spoken_bytes += utf8_length(choice.get("text"))
        answer.ended = answer.ended or choice.get("finish_reason") is not None
    if chunk.usage:
        answer.saw_usage(chunk.usage)
    if chunk.error:
        answer.saw_error(chunk.error)
