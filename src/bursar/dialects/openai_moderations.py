"""Moderations: ``POST /moderations``. OpenAI does not charge for them (OpenAI, "Moderation", read 2026-11)."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from bursar.dialects.base import Request
from bursar.dialects.fields import required, text


class _Body(Struct):
    model: Any = None


_BODY: Final = msgspec.json.Decoder(_Body)


def read_moderation(body: bytes) -> Request:
    """Read a moderation request; its model is optional."""
    return Request(model=text(required(_BODY, body).model), stream=False, body=body, max_output_tokens=0)
