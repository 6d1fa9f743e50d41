"""Writes AWS binary event stream messages."""

import base64
import json
import struct
from zlib import crc32


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with string headers."""
    block = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    head = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return head + struct.pack(">I", crc32(head))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", 7, len(value)) + value


def event(name: str, payload: object) -> bytes:
    """An event with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(payload).encode())


def chunk(payload: object) -> bytes:
    """An InvokeModel event, which wraps the model family's own chunk."""
    return event("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode(), "p": "abc"})


def failure(name: str) -> bytes:
    """An exception inside a stream."""
    return message({":exception-type": name, ":message-type": "exception"}, b'{"message":"no"}')
