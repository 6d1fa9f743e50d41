"""Images: ``POST /images/generations``, ``/images/edits`` (a form or JSON) and ``/images/variations``.

GPT image models report tokens; where the output is not broken down it is image tokens (openai-python
`types/image_gen_completed_event.py`). Older models report nothing and are priced by the image, so the images of the
answer are counted, not those asked for.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import decoded, fields, objects, required, text
from bursar.dialects.flavours import Flavour
from bursar.dialects.multipart import form_fields
from bursar.dialects.openai_answer import Answer, error_type
from bursar.dialects.openai_usage import Plain, settle
from bursar.events import Part, UsageStatus
from bursar.usage import Meter, usage_of

_IMAGES: Final = Plain(output=Meter.OUTPUT_IMAGE)
_COUNTED: Final = "the answer reports no tokens: its images are counted"


class _Body(Struct):
    model: Any = None
    stream: Any = None
    user: Any = None


class _Whole(Struct):
    model: Any = None
    data: Any = None
    usage: Raw = Raw()
    svg_usage: Raw = Raw()
    error: Raw = Raw()


class _Event(Struct):
    type: Any = None
    model: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()
    code: Any = None


_BODY: Final = msgspec.json.Decoder(_Body)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_image(content_type: str, body: bytes) -> Request:
    """Read a request for images; what it may cost is not bounded by a token cap of its own."""
    if content_type.startswith("multipart/"):
        form = form_fields(content_type, body)
        return Request(
            model=text(form.get("model")),
            stream=form.get("stream", "").lower() == "true",
            body=body,
            user=text(form.get("user")),
        )
    asked = required(_BODY, body)
    return Request(model=text(asked.model), stream=asked.stream is True, body=body, user=text(asked.user))


class ImageStream:
    """Reads ``image_generation.*`` and ``image_edit.*`` events.

    Several images may come; each completed event reports the usage of its own image, so these are added up.
    """

    __slots__ = ("_answer", "_completed")

    def __init__(self, request: Request, flavour: Flavour) -> None:
        self._answer = Answer(request, flavour, _IMAGES)
        self._completed = 0

    def payload(self, data: bytes) -> None:
        event = decoded(_EVENT, data)
        if event is None:
            return
        self._answer.model = text(event.model) or self._answer.model
        if event.type == "error" or event.error:
            self._answer.error = error_type(fields(event.error) or {"code": event.code})
        elif isinstance(event.type, str) and event.type.endswith(".completed"):
            self._completed += 1
            self._answer.ended = True
            self._answer.add_usage(event.usage)

    def reading(self, *, complete: bool) -> Reading:
        return _counted(self._answer, self._completed, complete=complete)


def read_image_answer(body: bytes, request: Request, flavour: Flavour, *, complete: bool) -> Reading:
    """Read an unstreamed answer with images."""
    answer = Answer(request, flavour, _IMAGES)
    found = decoded(_WHOLE, body)
    if found is None:
        return answer.reading(complete=complete)
    answer.model = text(found.model)
    answer.saw_usage(found.usage)
    answer.side_parts = _svg_author(found.svg_usage, flavour)
    if found.error:
        answer.saw_error(found.error)
    answer.ended = answer.error is None
    return _counted(answer, len(objects(found.data)), complete=complete)


def _counted(answer: Answer, images: int, *, complete: bool) -> Reading:
    reading = answer.reading(complete=complete)
    if answer.has_usage or not images:
        return reading
    return msgspec.structs.replace(
        reading,
        usage=usage_of({Meter.IMAGES: images}),
        status=UsageStatus.REPORTED,
        notes=(_COUNTED,),
    )


def _svg_author(usage: Raw, flavour: Flavour) -> tuple[Part, ...]:
    """An SVG is written by a text model whose tokens come on top (openai-python `types/images_response.py`)."""
    found = fields(usage)
    settled = settle(found, flavour).usage if found else None
    model = text(found.get("model"))
    return (Part(model, settled),) if settled is not None and model else ()
