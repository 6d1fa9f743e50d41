"""Images: ``POST /images/generations``, ``/images/edits`` (a form or JSON) and ``/images/variations``.

GPT image models report tokens; where the output is not broken down it is image tokens (openai-python
`types/image_gen_completed_event.py`). Older models report nothing and are priced by the image, so the images of the
answer are counted, not those asked for.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import decoded, fields, mapping, objects, required, text, whole
from bursar.dialects.flavours import Flavour
from bursar.dialects.multipart import read_form
from bursar.dialects.openai_answer import Answer, error_type
from bursar.dialects.openai_parts import survey_image_url
from bursar.dialects.openai_usage import Plain, settle
from bursar.dialects.payloads import Event
from bursar.dialects.reach import Reach, Survey
from bursar.events import Part, UsageStatus
from bursar.usage import Meter, usage_of

_IMAGES: Final = Plain(output=Meter.OUTPUT_IMAGE)
_PROMPT_TOKENS: Final = 256
"""Input tokens that OpenAI adds to a prompt: 32 with an image were seen (community.openai.com, read 2026-11)."""
_COUNTED: Final = "the answer reports no tokens: its images are counted"


class _Body(Struct):
    model: Any = None
    stream: Any = None
    user: Any = None
    safety_identifier: Any = None
    n: Any = None
    images: Any = None
    image: Any = None
    mask: Any = None


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
    """Read a request for images: each costs what its model's largest costs at most, in tokens or by the image."""
    if content_type.startswith("multipart/"):
        form = read_form(content_type, body)
        return Request(
            model=text(form.fields.get("model")),
            stream=form.fields.get("stream", "").lower() == "true",
            body=body,
            user=text(form.fields.get("user")) or text(form.fields.get("safety_identifier")),
            reach=_reach(_decimal(form.fields.get("n")), shown=form.files, media_bytes=form.file_bytes),
        )
    asked = required(_BODY, body)
    survey = Survey()
    for image in (*_listed(asked.images), *_listed(asked.image), *_listed(asked.mask)):
        survey_image_url(image if isinstance(image, str) else mapping(image).get("image_url"), survey)
    found = survey.reach()
    reach = _reach(whole(asked.n), shown=found.images, media_bytes=found.media_bytes)
    return Request(
        model=text(asked.model),
        stream=asked.stream is True,
        body=body,
        user=text(asked.user) or text(asked.safety_identifier),
        reach=reach,
    )


def _reach(drawn: int | None, *, shown: int, media_bytes: int) -> Reach:
    answers = drawn or 1
    return Reach(
        added_input=_PROMPT_TOKENS,
        answers=answers,
        images=shown,
        media_bytes=media_bytes,
        instead=((int(Meter.IMAGES), answers),),
    )


def _listed(value: object) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _decimal(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdecimal() else None


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

    def closing(self) -> list[Event]:
        """A stream of media has no end but its last event, which only the provider can send."""
        return []

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
