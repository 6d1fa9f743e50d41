"""AWS's binary event stream: length-prefixed messages with typed headers and two CRC32 sums.

Layout (smithy.io, "Amazon Event Stream Specification", read 2026-11): total length, length of the headers, CRC of those
eight bytes; headers; payload; CRC of everything before it. All numbers are big-endian.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

from bursar.simulator.sse import encode

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct(">II")
_NUMBER: Final = struct.Struct(">I")
_OVERHEAD: Final = 16
_STRING: Final = 7


def event(kind: str, body: Mapping[str, Any]) -> bytes:
    """One event with a JSON payload."""
    return _message((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"), body=body)


def exception(kind: str, body: Mapping[str, Any]) -> bytes:
    """One modelled exception inside the stream."""
    return _message(
        (":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"), body=body
    )


def _message(*headers: tuple[str, str], body: Mapping[str, Any]) -> bytes:
    packed = b"".join(_header(name.encode(), value.encode()) for name, value in headers)
    payload = encode(body)
    prelude = _PRELUDE.pack(_OVERHEAD + len(packed) + len(payload), len(packed))
    message = prelude + _NUMBER.pack(zlib.crc32(prelude)) + packed + payload
    return message + _NUMBER.pack(zlib.crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([_STRING]) + struct.pack(">H", len(value)) + value
