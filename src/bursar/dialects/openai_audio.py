"""Audio: transcriptions and translations (uploads), and speech.

Two price bases on one endpoint: token-priced models report tokens, whisper reports seconds (openai-python
`types/audio/transcription.py`). Plain formats (text, srt, vtt) and translations report neither; their audio's length is
unknown here, and unknown is what the row says. Speech answers are raw sound without usage: the characters of the input
are billed for character-priced models, and only ``stream_format=sse`` reports tokens instead.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import decoded, fields, json_text, required, text
from bursar.dialects.flavours import Flavour
from bursar.dialects.multipart import read_form
from bursar.dialects.openai_answer import Answer, error_type
from bursar.dialects.openai_usage import Plain, milliseconds
from bursar.dialects.payloads import Event
from bursar.dialects.reach import Reach
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of

_HEARD: Final = Plain(input=Meter.INPUT_AUDIO)
_SPOKEN: Final = Plain(output=Meter.OUTPUT_AUDIO)
_ANY_LENGTH: Final = Reach(open_input="an audio file", instead=((int(Meter.INPUT_AUDIO_MS), None),))
"""How long a sound is does not follow from its bytes: silence takes next to none. Models that are charged by the token
take in what their context window holds; for those charged by time there is no bound."""
_BY_DURATION: Final = "the answer reports no usage: billed by the duration it names"


class _Speech(Struct):
    model: Any = None
    input: Any = None
    stream_format: Any = None


class _Heard(Struct):
    model: Any = None
    duration: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


class _Event(Struct):
    type: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()
    code: Any = None


_SPEECH: Final = msgspec.json.Decoder(_Speech)
_HEARD_BODY: Final = msgspec.json.Decoder(_Heard)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_transcription(content_type: str, body: bytes) -> Request:
    """Read the form of a transcription or a translation."""
    form = read_form(content_type, body).fields
    return Request(
        model=text(form.get("model")),
        stream=form.get("stream", "").lower() == "true",
        body=body,
        reach=_ANY_LENGTH,
    )


def read_speech(body: bytes) -> Request:
    """Read a request for speech; its characters are fixed by the request itself."""
    asked = required(_SPEECH, body)
    characters = len(asked.input) if isinstance(asked.input, str) else 0
    return Request(
        model=text(asked.model),
        stream=asked.stream_format == "sse",
        body=body,
        usage=usage_of({Meter.CHARACTERS: characters}),
        reach=Reach(instead=((int(Meter.CHARACTERS), characters),)),
    )


class TranscriptStream:
    """Reads ``transcript.text.*`` events; Mistral names them ``transcription.*``."""

    __slots__ = ("_answer", "_reading")

    def __init__(self, request: Request, flavour: Flavour) -> None:
        self._answer = Answer(request, flavour, _HEARD)
        self._reading: Reading | None = None

    def payload(self, data: bytes) -> None:
        event = decoded(_EVENT, data)
        if event is None:
            return
        if event.type == "error" or event.error:
            self._answer.error = error_type(fields(event.error) or {"code": event.code})
        elif isinstance(event.type, str) and event.type.endswith(".done"):
            self._answer.ended = True
            self._reading = _by_duration(self._answer, event.usage)
            self._answer.saw_usage(event.usage)

    def closing(self) -> list[Event]:
        """A stream of media has no end but its last event, which only the provider can send."""
        return []

    def reading(self, *, complete: bool) -> Reading:
        return self._reading or _unheard(self._answer, complete=complete)


def read_transcription_answer(body: bytes, request: Request, flavour: Flavour, *, complete: bool) -> Reading:
    """Read an unstreamed transcript, JSON or plain text."""
    answer = Answer(request, flavour, _HEARD)
    found = decoded(_HEARD_BODY, body)
    if found is None:
        answer.ended = complete
        return _unheard(answer, complete=complete)
    answer.model = text(found.model)
    answer.ended = True
    if found.error:
        answer.saw_error(found.error)
    answer.saw_usage(found.usage)
    by_duration = _by_duration(answer, found.usage)
    if by_duration is not None:
        return by_duration
    duration = milliseconds(found.duration)
    if duration is not None and not answer.has_usage:
        return _seconds(answer, duration, None, (_BY_DURATION,))
    return _unheard(answer, complete=complete)


class SpeechStream:
    """Reads ``speech.audio.*`` events; where the last one reports tokens, those are billed and not the characters."""

    __slots__ = ("_answer",)

    def __init__(self, request: Request, flavour: Flavour) -> None:
        self._answer = Answer(request, flavour, _SPOKEN)

    def payload(self, data: bytes) -> None:
        event = decoded(_EVENT, data)
        if event is None:
            return
        if event.type == "error" or event.error:
            self._answer.error = error_type(fields(event.error) or {"code": event.code})
        elif event.type == "speech.audio.done":
            self._answer.ended = True
            self._answer.saw_usage(event.usage)

    def closing(self) -> list[Event]:
        """A stream of media has no end but its last event, which only the provider can send."""
        return []

    def reading(self, *, complete: bool) -> Reading:
        if not self._answer.has_usage:
            return characters(self._answer.request, error=self._answer.error, complete=self._answer.ended)
        answer = self._answer
        answer.request = msgspec.structs.replace(answer.request, usage=None)
        return answer.reading(complete=complete)


def characters(request: Request, *, error: str | None = None, complete: bool) -> Reading:
    """Bill speech by the characters that were asked for."""
    return Reading(
        usage=request.usage,
        status=UsageStatus.REPORTED if request.usage is not None else UsageStatus.MISSING,
        error=error,
        complete=complete,
    )


def _by_duration(answer: Answer, usage: Raw) -> Reading | None:
    reported = fields(usage)
    if reported.get("type") != "duration":
        return None
    duration = milliseconds(reported.get("seconds"))
    return None if duration is None else _seconds(answer, duration, json_text(usage), ())


def _seconds(answer: Answer, duration: int, raw: str | None, notes: tuple[str, ...]) -> Reading:
    return Reading(
        usage=usage_of({Meter.INPUT_AUDIO_MS: duration}),
        status=UsageStatus.REPORTED,
        model=answer.model,
        raw_usage=raw,
        error=answer.error,
        complete=answer.ended,
        notes=notes,
    )


def _unheard(answer: Answer, *, complete: bool) -> Reading:
    """Usage as reported, or unknown: the length of uploaded audio cannot be told from the transcript."""
    if answer.has_usage or answer.error:
        return answer.reading(complete=complete)
    note = "the answer reports no usage, and the length of its audio is unknown"
    return Reading(usage=None, status=UsageStatus.MISSING, model=answer.model, complete=answer.ended, notes=(note,))
