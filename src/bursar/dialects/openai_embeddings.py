"""Embeddings: ``POST /embeddings``. Inputs may be token lists, so nothing is ever estimated from their text alone."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.fields import decoded, required, text
from bursar.dialects.flavours import Flavour
from bursar.dialects.openai_answer import Answer
from bursar.dialects.reach import Reach


class _Body(Struct):
    model: Any = None
    user: Any = None
    input: Raw = Raw()


class _Whole(Struct):
    id: Any = None
    model: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


_BODY: Final = msgspec.json.Decoder(_Body)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_TEXTS: Final = msgspec.json.Decoder(str | list[str | int | list[int]])
"""Texts and tokens; each token takes at least two bytes of the body."""


def read_embedding(body: bytes, flavour: Flavour) -> Request:
    """Read an embeddings request; it produces no output tokens."""
    asked = required(_BODY, body)
    is_text = decoded(_TEXTS, asked.input) is not None
    return Request(
        model=text(asked.model),
        stream=False,
        body=body,
        max_output_tokens=0,
        user=text(asked.user),
        reach=Reach(added_input=flavour.added_input, open_input=None if is_text else "an input that is no text"),
    )


def read_embedding_answer(body: bytes, request: Request, flavour: Flavour, *, complete: bool) -> Reading:
    """Read an embeddings answer."""
    answer = Answer(request, flavour)
    found = decoded(_WHOLE, body)
    if found is not None:
        answer.id = text(found.id)
        answer.model = text(found.model)
        answer.saw_usage(found.usage)
        if found.error:
            answer.saw_error(found.error)
        answer.ended = answer.error is None
    return answer.reading(complete=complete)
