"""Server-sent events as providers write them."""

from typing import Any

import msgspec

EVENT_STREAM = b"text/event-stream; charset=utf-8"
JSON = b"application/json"

_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return _encode(value)


def data_event(value: Any) -> bytes:
    """One unnamed event."""
    return b"data: " + _encode(value) + b"\n\n"


def named_event(name: str, value: Any) -> bytes:
    """One event with its name."""
    return b"event: " + name.encode() + b"\ndata: " + _encode(value) + b"\n\n"
