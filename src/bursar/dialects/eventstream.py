"""AWS binary event streams, incrementally (``application/vnd.amazon.eventstream``).

A message is a prelude (total length, headers length, CRC-32 of both), headers, a payload and a CRC-32 of all before it,
integers big-endian (docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html; botocore `eventstream.py`,
with whose buffer this agrees, at a fraction of its cost a message). After a message that contradicts its own lengths or
checksums there is no finding the next one: parsing stops and says why.
"""

from struct import Struct as Layout
from typing import Final, NamedTuple
from zlib import crc32

_PRELUDE: Final = Layout(">III")
_LENGTHS: Final = Layout(">II")
_CHECKSUM: Final = Layout(">I")
_LENGTH: Final = Layout(">H")
_OVERHEAD: Final = _PRELUDE.size + _CHECKSUM.size
_MAX_HEADERS: Final = 128 * 1024
_MAX_MESSAGE: Final = 24 * 1024 * 1024 + _MAX_HEADERS + _OVERHEAD
_STRING: Final = 7
_SIZED: Final = frozenset({6, _STRING})
_FIXED_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header value by type: true, false, byte, short, integer, long, timestamp, UUID."""
_MOST_KINDS: Final = 64
_DAMAGED: Final = "a message's checksum does not match"


class Kind(NamedTuple):
    """What a message is, from its headers."""

    message: str
    """``event``, ``exception`` or ``error``."""
    name: str
    """The event type, exception type or error code."""


class Message(NamedTuple):
    """One message of a stream."""

    kind: Kind
    payload: bytes


class MessageParser:
    """Cuts a byte stream into messages; how it is split does not matter."""

    __slots__ = ("_kinds", "_rest", "problem")

    def __init__(self) -> None:
        self._rest = b""
        self._kinds: dict[bytes, Kind] = {}
        """Header blocks seen; a stream repeats a handful."""
        self.problem: str | None = None
        """Why parsing stopped; ``None`` while it has not."""

    @property
    def unfinished(self) -> bool:
        """Whether the bytes seen end inside a message."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete."""
        if self.problem:
            return []
        rest = self._rest + data if self._rest else data
        found: list[Message] = []
        at = 0
        end = len(rest)
        while end - at >= _OVERHEAD:
            total, headers, checksum = _PRELUDE.unpack_from(rest, at)
            self.problem = _out_of_bounds(total, headers)
            if self.problem:
                break
            if end - at < total:
                self.problem = _DAMAGED if crc32(rest[at : at + 8]) != checksum else None
                break
            body_end = at + total - _CHECKSUM.size
            if crc32(rest[at:body_end]) != _CHECKSUM.unpack_from(rest, body_end)[0]:
                self.problem = _DAMAGED
                break
            payload_start = at + _PRELUDE.size + headers
            kind = self._kind(rest[at + _PRELUDE.size : payload_start])
            found.append(Message(kind, rest[payload_start:body_end]))
            at += total
        self._rest = b"" if self.problem else rest[at:]
        return found

    def _kind(self, block: bytes) -> Kind:
        known = self._kinds.get(block)
        if known is None:
            known = _kind_of(block)
            if len(self._kinds) < _MOST_KINDS:
                self._kinds[block] = known
        return known


def encode_event(kind: str, payload: bytes) -> bytes:
    """One event with a JSON payload."""
    headers = b"".join(
        bytes([len(name)]) + name + bytes([_STRING]) + _LENGTH.pack(len(value)) + value
        for name, value in (
            (b":event-type", kind.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    lengths = _LENGTHS.pack(_OVERHEAD + len(headers) + len(payload), len(headers))
    message = lengths + _CHECKSUM.pack(crc32(lengths)) + headers + payload
    return message + _CHECKSUM.pack(crc32(message))


def _out_of_bounds(total: int, headers: int) -> str | None:
    if headers + _OVERHEAD <= total <= _MAX_MESSAGE and headers <= _MAX_HEADERS:
        return None
    return f"a message of {total} bytes with {headers} bytes of headers is out of bounds"


def _kind_of(block: bytes) -> Kind:
    headers = string_headers(block)
    message = headers.get(":message-type", "event")
    name = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code") or ""
    return Kind(message, name)


def string_headers(block: bytes) -> dict[str, str]:
    """The string-valued headers of a block; a malformed block gives those before the fault."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode(errors="replace")
        kind = block[name_end] if name_end < len(block) else None
        at = name_end + 1
        if kind in _SIZED:
            if at + _LENGTH.size > len(block):
                break
            size = _LENGTH.unpack_from(block, at)[0]
            at += _LENGTH.size
            if kind == _STRING:
                headers[name] = block[at : at + size].decode(errors="replace")
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            break
        at += size
    return headers
