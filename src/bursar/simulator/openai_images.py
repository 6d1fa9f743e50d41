"""OpenAI's images: `POST /v1/images/generations` and `/v1/images/edits` (API reference, read 2026-11).

GPT Image models are billed in tokens and say so; DALL-E is billed for each image and says nothing.
"""

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from bursar.simulator.exchange import Frame, Problem, Reply, whole
from bursar.simulator.faults import usage_on_wire
from bursar.simulator.fields import json_body, number, text
from bursar.simulator.form import read_form
from bursar.simulator.generation import Request
from bursar.simulator.models import require_model
from bursar.simulator.openai_errors import STREAM_ERROR
from bursar.simulator.sse import EVENT_STREAM, JSON, encode, named_event
from bursar.simulator.tokens import count_tokens
from bursar.usage import Meter, Usage, usage_of

_OUTPUT_TOKENS: Final[Mapping[str, int]] = {"low": 272, "medium": 1056, "high": 4160}
"""Tokens of a 1024 by 1024 image by quality ("Image generation", cost and latency, read 2026-11)."""
_INPUT_IMAGE_TOKENS: Final = 323
"""A 1024 by 1024 input image at low fidelity (same page)."""
_PARTIAL_TOKENS: Final = 100
"""Each partial image of a stream (same page)."""
_PIXELS: Final = 8


class _Job(Struct, frozen=True):
    model: str
    prompt: str
    count: int
    quality: str
    size: str
    stream: bool
    partials: int
    input_images: int


def generations(request: Request) -> Reply:
    """Draw images from a prompt."""
    fields = json_body(request.call)
    return _draw(
        request,
        _Job(
            model=text(fields, "model") or request.call.subject or "dall-e-2",
            prompt=text(fields, "prompt"),
            count=max(1, number(fields, "n") or 1),
            quality=text(fields, "quality"),
            size=text(fields, "size"),
            stream=fields.get("stream") is True,
            partials=number(fields, "partial_images") or 0,
            input_images=0,
        ),
    )


def edits(request: Request) -> Reply:
    """Draw images from a prompt and images."""
    form = read_form(request.call)
    return _draw(
        request,
        _Job(
            model=form.fields.get("model") or request.call.subject or "dall-e-2",
            prompt=form.fields.get("prompt", ""),
            count=max(1, int(form.fields.get("n", "1"))),
            quality=form.fields.get("quality", ""),
            size=form.fields.get("size", ""),
            stream=form.has("stream"),
            partials=int(form.fields.get("partial_images", "0")),
            input_images=len(form.files),
        ),
    )


def _draw(request: Request, job: _Job) -> Reply:
    require_model(job.model, f"The model `{job.model}` does not exist or you do not have access to it.")
    if not job.prompt:
        raise Problem("invalid", "Missing required parameter: 'prompt'.", param="prompt")
    in_tokens = not job.model.startswith("dall-e")
    usage = _billed(job) if in_tokens else usage_of({Meter.IMAGES: job.count})
    said = usage_on_wire(_usage(usage), request.fault) if in_tokens else None
    if job.stream:
        frames: Any = _events(request, job, said)
    else:
        body: dict[str, Any] = {"created": request.created, "data": [_image(request)] * job.count}
        if in_tokens:
            body |= _looks(job)
        frames = whole(encode(body | ({} if said is None else {"usage": said})), has_usage=said is not None)
    return Reply(
        frames=frames,
        content_type=EVENT_STREAM if job.stream else JSON,
        is_stream=job.stream,
        model=job.model,
        usage=usage,
        named=_usage if in_tokens else None,
        error_frame=STREAM_ERROR,
    )


def _billed(job: _Job) -> Usage:
    output = _OUTPUT_TOKENS[_looks(job)["quality"]] * job.count + _PARTIAL_TOKENS * (job.partials if job.stream else 0)
    return usage_of(
        {
            Meter.INPUT_TEXT: count_tokens(job.prompt),
            Meter.INPUT_IMAGE: _INPUT_IMAGE_TOKENS * job.input_images,
            Meter.OUTPUT_IMAGE: output,
        }
    )


def _usage(usage: Usage) -> Mapping[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "text_tokens": usage.quantity(Meter.INPUT_TEXT),
            "image_tokens": usage.quantity(Meter.INPUT_IMAGE),
        },
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _looks(job: _Job) -> dict[str, str]:
    quality = job.quality if job.quality in _OUTPUT_TOKENS else "medium"
    size = job.size if job.size not in ("", "auto") else "1024x1024"
    return {"background": "opaque", "output_format": "png", "quality": quality, "size": size}


def _image(request: Request) -> dict[str, str]:
    return {"b64_json": base64.b64encode(_png(request.chance.bits())).decode()}


def _events(request: Request, job: _Job, said: Mapping[str, Any] | None) -> Iterator[Frame]:
    common = {**_image(request), "created_at": request.created, **_looks(job)}
    kind = "image_edit" if job.input_images else "image_generation"
    for index in range(job.partials):
        body = {"type": f"{kind}.partial_image", **common, "partial_image_index": index}
        yield Frame(named_event(str(body["type"]), body), _PARTIAL_TOKENS)
    done = {"type": f"{kind}.completed", **common} | ({} if said is None else {"usage": said})
    drawn = _OUTPUT_TOKENS[_looks(job)["quality"]] * job.count
    yield Frame(named_event(str(done["type"]), done), drawn, said is not None)


def _png(colour: int) -> bytes:
    """A small PNG of one colour."""
    pixel = colour.to_bytes(8, "big")[:3]
    rows = b"".join(b"\0" + pixel * _PIXELS for _ in range(_PIXELS))
    header = struct.pack(">IIBBBBB", _PIXELS, _PIXELS, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(name, data) for name, data in parts)


def _png_part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
