"""OpenAI's audio: transcriptions, translations and speech (API reference and recordings, read 2026-11).

Whisper is billed by the second and says so (translations say nothing); the `transcribe` models are billed in tokens.
Speech is billed by the character (`tts-1`) or in tokens, and its usage is told only in the `sse` stream format.
"""

import base64
import io
import wave
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bursar.simulator.ask import Ask
from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import json_body, text
from bursar.simulator.form import Form, read_form
from bursar.simulator.generation import Request
from bursar.simulator.models import require_model
from bursar.simulator.openai_errors import STREAM_ERROR
from bursar.simulator.sse import EVENT_STREAM, JSON, data_event, encode
from bursar.simulator.tokens import count_tokens, words_of
from bursar.usage import Meter, Usage, usage_of

_BYTES_PER_SECOND: Final = 16_000
"""A 128 kbit/s recording, for formats whose header is not read here."""
_AUDIO_TOKENS_PER_SECOND: Final = 10
_CHARACTERS_PER_SECOND: Final = 15
"""About 180 spoken words a minute."""
_SILENCE: Final = bytes(2400)
"""A twentieth of a second of 24 kHz 16-bit mono."""


def transcriptions(request: Request) -> Reply:
    """`POST /v1/audio/transcriptions`."""
    form = read_form(request.call)
    model, seconds = _recording(request, form)
    words = _words(request, model, seconds)
    if model.startswith("whisper"):
        usage = usage_of({Meter.INPUT_AUDIO_MS: seconds * 1000})
        return _transcript(request, form, model, words, usage, _duration)
    usage = usage_of({Meter.INPUT_AUDIO: seconds * _AUDIO_TOKENS_PER_SECOND, Meter.OUTPUT_TEXT: count_tokens(words)})
    if form.has("stream"):
        said = usage_on_wire(_tokens(usage), request.fault)
        return Reply(
            frames=_transcript_events(words, said),
            content_type=EVENT_STREAM,
            is_stream=True,
            model=model,
            usage=usage,
            named=_tokens,
            error_frame=STREAM_ERROR,
        )
    return _transcript(request, form, model, words, usage, _tokens)


def translations(request: Request) -> Reply:
    """`POST /v1/audio/translations`; the answer has no usage."""
    form = read_form(request.call)
    model, seconds = _recording(request, form)
    body = {"text": _words(request, model, seconds)}
    return Reply(
        frames=whole(encode(body), has_usage=False),
        content_type=JSON,
        model=model,
        usage=usage_of({Meter.INPUT_AUDIO_MS: seconds * 1000}),
    )


def speech(request: Request) -> Reply:
    """`POST /v1/audio/speech`."""
    fields = json_body(request.call)
    named = text(fields, "model") or request.call.subject
    model = require_model(named, f"The model `{named}` does not exist or you do not have access to it.")
    words = text(fields, "input")
    if not words:
        raise Problem("invalid", "Missing required parameter: 'input'.", param="input")
    seconds = max(1, -(-len(words) // _CHARACTERS_PER_SECOND))
    by_character = model.startswith("tts-")
    usage = (
        usage_of({Meter.CHARACTERS: len(words)})
        if by_character
        else usage_of({Meter.INPUT_TEXT: count_tokens(words), Meter.OUTPUT_AUDIO: seconds * _AUDIO_TOKENS_PER_SECOND})
    )
    if text(fields, "stream_format") == "sse" and not by_character:
        said = usage_on_wire(_speech_usage(usage), request.fault)
        return Reply(
            frames=_speech_events(seconds, said),
            content_type=EVENT_STREAM,
            is_stream=True,
            model=model,
            usage=usage,
            named=_speech_usage,
            error_frame=STREAM_ERROR,
        )
    sound = whole(_wav(seconds), has_usage=False, tokens=usage.output_tokens)
    return Reply(
        frames=sound,
        content_type=b"audio/wav",
        model=model,
        usage=usage,
        named=None if by_character else _speech_usage,
    )


def _recording(request: Request, form: Form) -> tuple[str, int]:
    model = form.fields.get("model") or request.call.subject
    require_model(model, f"The model `{model}` does not exist or you do not have access to it.")
    if not form.files:
        raise Problem("invalid", "Missing required parameter: 'file'.", param="file")
    return model, _seconds(form.files[0][1])


def _seconds(recording: bytes) -> int:
    """Length in whole seconds, as `usage.seconds` has it: of a WAV file from its header, of others by size."""
    if recording[:4] == b"RIFF":
        try:
            with wave.open(io.BytesIO(recording), "rb") as opened:
                return max(1, -(-opened.getnframes() // opened.getframerate()))
        except (wave.Error, EOFError):
            raise Problem("invalid", "The audio file could not be decoded or its format is not supported.") from None
    return max(1, -(-len(recording) // _BYTES_PER_SECOND))


def _words(request: Request, model: str, seconds: int) -> str:
    tokens = seconds * _CHARACTERS_PER_SECOND // 4 + 1
    ask = Ask(model=model, stream=False, prompt=(), max_tokens=tokens)
    return request.generate(ask).answer.choices[0].text


def _transcript(request: Request, form: Form, model: str, words: str, usage: Usage, named: Any) -> Reply:
    said = usage_on_wire(named(usage), request.fault)
    seconds = usage.quantity(Meter.INPUT_AUDIO_MS) / 1000
    body: dict[str, Any] = {"text": words}
    match form.fields.get("response_format", "json"):
        case "text" | "srt" | "vtt":
            plain = whole(words.encode() + b"\n", has_usage=False, tokens=usage.output_tokens)
            return Reply(frames=plain, content_type=b"text/plain; charset=utf-8", model=model, usage=usage, named=named)
        case "verbose_json":
            body = {"task": "transcribe", "language": "english", "duration": seconds, "text": words, "segments": []}
        case _:
            pass
    if said is not None:
        body["usage"] = said
    frames = whole(encode(body), has_usage=said is not None, tokens=usage.output_tokens)
    return Reply(frames=frames, content_type=JSON, model=model, usage=usage, named=named)


def _transcript_events(words: str, said: Mapping[str, Any] | None) -> Iterator[Frame]:
    for word, tokens in words_of(words):
        yield Frame(data_event({"type": "transcript.text.delta", "delta": word}), tokens)
    done = {"type": "transcript.text.done", "text": words} | ({} if said is None else {"usage": said})
    yield Frame(data_event(done), has_usage=said is not None)


def _speech_events(seconds: int, said: Mapping[str, Any] | None) -> Iterator[Frame]:
    sound = base64.b64encode(_SILENCE).decode()
    for _ in range(seconds):
        yield Frame(data_event({"type": "speech.audio.delta", "audio": sound}), _AUDIO_TOKENS_PER_SECOND)
    done = {"type": "speech.audio.done"} | ({} if said is None else {"usage": said})
    yield Frame(data_event(done), has_usage=said is not None)


def _wav(seconds: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(1000)
        opened.writeframes(bytes(2000 * seconds))
    return buffer.getvalue()


def _duration(usage: Usage) -> Mapping[str, Any]:
    return {"type": "duration", "seconds": usage.quantity(Meter.INPUT_AUDIO_MS) // 1000}


def _tokens(usage: Usage) -> Mapping[str, Any]:
    return {
        "type": "tokens",
        "input_tokens": usage.input_tokens,
        "input_token_details": {
            "text_tokens": usage.quantity(Meter.INPUT_TEXT),
            "audio_tokens": usage.quantity(Meter.INPUT_AUDIO),
        },
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _speech_usage(usage: Usage) -> Mapping[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
