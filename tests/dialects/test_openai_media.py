"""Images and audio: what is billed by token, by image, by second, by character."""

import json
import sys
from typing import Any

import pytest

from bursar.dialects.multipart import read_form
from bursar.dialects.registry import dialect_for
from bursar.errors import Refusal
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of
from support.taps import answer, ask, run

OPENAI = dialect_for("openai")
SSE = "text/event-stream"
FORM = "multipart/form-data; boundary=edge"


def form(**fields: str) -> bytes:
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    upload = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n\x00model\r\n'
    return "".join([*parts, upload, "--edge--\r\n"]).encode()


def image(**fields: Any):
    return ask(OPENAI, "/images/generations", json.dumps({"model": "gpt-image-1", "prompt": "cat", **fields}).encode())


def transcription(path: str = "/audio/transcriptions", **fields: str):
    return ask(OPENAI, path, form(model="whisper-1", **fields), content_type=FORM)


def speech(**fields: Any):
    return ask(OPENAI, "/audio/speech", json.dumps({"model": "tts-1", "input": "h\u00e9llo", **fields}).encode())


def sse(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


IMAGE_USAGE = {
    "input_tokens": 50,
    "output_tokens": 100,
    "total_tokens": 150,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
IMAGE_SETTLED = usage_of({Meter.INPUT_TEXT: 10, Meter.INPUT_IMAGE: 40, Meter.OUTPUT_IMAGE: 100})


def test_image_tokens():
    """Output tokens of an image answer are image tokens where they are not broken down."""
    reading = answer(OPENAI, image(), json.dumps({"data": [{"b64_json": "x"}], "usage": IMAGE_USAGE}).encode())

    assert (reading.usage, reading.status) == (IMAGE_SETTLED, UsageStatus.REPORTED)


def test_image_output_details():
    """Text that an image model produces is text."""
    usage = {**IMAGE_USAGE, "output_tokens_details": {"image_tokens": 90, "text_tokens": 10}}

    reading = answer(OPENAI, image(), json.dumps({"data": [{}], "usage": usage}).encode())

    assert reading.usage is not None
    assert reading.usage.quantity(Meter.OUTPUT_TEXT) == 10
    assert reading.usage.quantity(Meter.OUTPUT_IMAGE) == 90


def test_images_without_tokens():
    """Models without token usage are billed by the images that came."""
    reading = answer(OPENAI, image(n=4), b'{"created":1,"data":[{"url":"a"},{"url":"b"}]}')

    assert (usage_of({Meter.IMAGES: 2}), UsageStatus.REPORTED) == (reading.usage, reading.status)


def test_no_images():
    """An answer without images and without usage is missing, never zero."""
    assert answer(OPENAI, image(), b"{}").status is UsageStatus.MISSING


def test_streamed_images_add_up():
    """Every completed image reports its own usage; partial images report none."""
    done = {"type": "image_generation.completed", "usage": IMAGE_USAGE}
    stream = sse({"type": "image_generation.partial_image", "b64_json": "x"}, done, done)

    reading = answer(OPENAI, image(stream=True), stream, content_type=SSE)

    assert reading.usage == IMAGE_SETTLED + IMAGE_SETTLED
    assert reading.complete


def test_svg_author_is_a_part():
    """The text model that writes an SVG is billed beside the image model."""
    svg = {"model": "gpt-6", "input_tokens": 1, "output_tokens": 5, "reasoning_tokens": 2, "total_tokens": 6}
    body = {"data": [{}], "usage": IMAGE_USAGE, "svg_usage": svg}

    reading = answer(OPENAI, image(), json.dumps(body).encode())

    author = usage_of({Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 3, Meter.OUTPUT_REASONING: 2})
    assert [(part.model, part.usage) for part in reading.parts] == [("gpt-image-1", IMAGE_SETTLED), ("gpt-6", author)]


def test_image_edit_form():
    """Edits are uploads; the model is a form field, the file is not read."""
    _, request = ask(OPENAI, "/images/edits", form(model="gpt-image-1", stream="true", user="u"), content_type=FORM)

    assert (request.model, request.stream, request.user) == ("gpt-image-1", True, "u")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"text": "t", "usage": {"type": "duration", "seconds": 7}}, {Meter.INPUT_AUDIO_MS: 7000}),
        ({"text": "t", "duration": "8.470000"}, {Meter.INPUT_AUDIO_MS: 8470}),
        (
            {
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "output_tokens": 45,
                    "total_tokens": 59,
                    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                }
            },
            {Meter.INPUT_TEXT: 4, Meter.INPUT_AUDIO: 10, Meter.OUTPUT_TEXT: 45},
        ),
        ({"usage": {"input_tokens": 14, "output_tokens": 1}}, {Meter.INPUT_AUDIO: 14, Meter.OUTPUT_TEXT: 1}),
    ],
)
def test_transcription(document, expected):
    """A transcript is billed by tokens or by seconds, as it says itself."""
    reading = answer(OPENAI, transcription(), json.dumps(document).encode())

    assert (usage_of(expected), UsageStatus.REPORTED) == (reading.usage, reading.status)


@pytest.mark.parametrize("body", [b"plain text", b"1\n00:00 --> 00:07\nHi\n", b'{"text":"t"}', b""])
def test_transcript_without_usage(body):
    """A transcript that reports nothing has unknown usage: its audio's length cannot be told."""
    reading = answer(OPENAI, transcription("/audio/translations"), body, content_type="text/plain")

    assert (reading.usage, reading.status) == (None, UsageStatus.MISSING)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"type": "duration", "seconds": 1.5}, {Meter.INPUT_AUDIO_MS: 1500}),
        ({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}, {Meter.INPUT_AUDIO: 3, Meter.OUTPUT_TEXT: 2}),
    ],
)
def test_streamed_transcription(usage, expected):
    """The last event of a streamed transcript has its usage."""
    asked = transcription(stream="true")
    stream = sse({"type": "transcript.text.delta", "delta": "a"}, {"type": "transcript.text.done", "usage": usage})

    reading = answer(OPENAI, asked, stream, content_type=SSE)

    assert asked[1].stream
    assert (usage_of(expected), reading.complete) == (reading.usage, True)


def test_speech_by_character():
    """Speech is billed by the characters asked for, and its sound is not kept."""
    asked = speech()
    sound = bytes(range(256)) * 100
    tap = OPENAI.tap(*asked, status=200, content_type="audio/mpeg", headers={})

    held = sys.getrefcount(sound)
    out = tap.feed(sound)

    assert out is sound
    del out
    assert held == sys.getrefcount(sound)
    reading = tap.finish(complete=True)
    assert (usage_of({Meter.CHARACTERS: 5}), UsageStatus.REPORTED) == (reading.usage, reading.status)


def test_speech_by_token():
    """Speech that reports tokens is billed by them, not by characters as well."""
    usage = {"input_tokens": 3, "output_tokens": 50, "total_tokens": 53}
    stream = sse({"type": "speech.audio.delta", "audio": "x"}, {"type": "speech.audio.done", "usage": usage})

    reading = answer(OPENAI, speech(stream_format="sse"), stream, content_type=SSE)

    assert usage_of({Meter.INPUT_TEXT: 3, Meter.OUTPUT_AUDIO: 50}) == reading.usage


@pytest.mark.parametrize("asked", [speech(stream_format="sse"), image(stream=True), transcription(stream="true")])
def test_media_error_event(asked):
    """An error event in a media stream is named."""
    tap = OPENAI.tap(*asked, status=200, content_type=SSE, headers={})

    _, reading = run(tap, [sse({"type": "error", "error": {"type": "server_error"}})])

    assert reading.error == "server_error"
    assert not reading.complete


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--edge--\r\n"),
        (FORM, b"[omitted]"),
        (FORM, b'--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper'),
        (FORM, b"--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n--edge--\r\n"),
        (
            FORM,
            form(model="a").replace(
                b"--edge--", b'--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nb\r\n--edge--'
            ),
        ),
    ],
)
def test_bad_form(content_type, body):
    """A form that cannot be read, or that names the model twice, is refused."""
    with pytest.raises(Refusal) as refused:
        ask(OPENAI, "/audio/transcriptions", body, content_type=content_type)

    assert refused.value.code == "invalid_request"


def test_read_form():
    """Files are left out, whatever they contain."""
    assert read_form(FORM, form(model="whisper-1", language="de")).fields == {"model": "whisper-1", "language": "de"}


def test_long_form_field_is_cut():
    """A form field is kept only up to its limit."""
    asked = transcription(prompt="x" * 3_000_000)

    assert asked[1].model == "whisper-1"
