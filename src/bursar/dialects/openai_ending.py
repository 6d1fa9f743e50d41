"""The last chunks of an OpenAI-style stream that ends before the provider ends it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bursar.dialects.fields import fields
from bursar.dialects.payloads import Event

LENGTH: Final = "length"
"""The finish reason of an answer that reached its output cap."""

DONE: Final = b"[DONE]"

_ANOTHERS: Final = ("usage", "x_groq", "error", "obfuscation", "choices")
"""What one chunk says of itself and no other."""


def last_chunks(latest: bytes, choices: Sequence[dict[str, Any]], *, model: str | None) -> list[Event]:
    """A chunk that finishes these choices and the end marker, as the stream's latest chunk names itself; nothing after
    the end marker.
    """
    if latest == DONE:
        return []
    chunk = {name: value for name, value in fields(latest).items() if name not in _ANOTHERS}
    if not chunk:
        chunk = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": model}
    ending = [Event(msgspec.json.encode({**chunk, "choices": choices}))] if choices else []
    return [*ending, Event(DONE)]
