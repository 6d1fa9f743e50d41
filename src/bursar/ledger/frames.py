"""Spool frames: how one record lies on disk, and how a file is read back without ever misreading it.

    length u32 | kind u8 | version u8 | crc32 u32 | payload

little-endian; ``length`` counts the payload, ``crc32`` (zlib) covers kind, version and payload, and the payload is the
msgpack of one `events.Record`. A zero-filled hole never passes, since the checksum of kind 0 and version 0 is not 0.

A reader stops at the first thing it does not understand and says which of four it is: the clean end, a frame that is
still incomplete, a frame that is damaged, or one written by a newer version. It never searches for the next plausible
frame: a tag may hold any bytes, also those of a frame.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

import msgspec
from msgspec import Struct

from bursar.events import RECORD_KINDS, Corrected, Opened, Record, Settled

VERSION: Final = 1
"""Raised only when an old reader would misunderstand a frame; appended fields need no new version."""

HEADER: Final = struct.Struct("<IBBI")

MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
"""No record comes near it (they are 0.3-3 KB), so a longer length is damage, not a frame to wait for."""

_KIND_OF: Final[Mapping[type[Record], int]] = {kind: number for number, kind in enumerate(RECORD_KINDS)}
_SEEDS: Final = tuple(zlib.crc32(bytes((kind, VERSION))) for kind in range(len(RECORD_KINDS)))
_ENCODER: Final = msgspec.msgpack.Encoder()


class _AttemptName(Struct, frozen=True, array_like=True):
    """The first fields of `CallFacts`; the rest is skipped, not decoded."""

    call_id: str
    attempt: int


class _OpenedName(Struct, frozen=True, array_like=True):
    facts: _AttemptName


class OpenAttempt(Struct, frozen=True):
    """An `Opened` record that was not decoded beyond its identity: nearly all are settled moments later."""

    call_id: str
    attempt: int
    payload: bytes

    def opened(self) -> Opened:
        """The whole record; raises msgspec.DecodeError when it cannot be understood."""
        return _DECODE_OPENED.decode(self.payload)


ReadRecord = OpenAttempt | Settled | Corrected
"""What reading yields."""

_DECODE_OPENED: Final = msgspec.msgpack.Decoder(Opened)
_DECODE_NAME: Final = msgspec.msgpack.Decoder(_OpenedName)


class Frame(Struct, frozen=True):
    """One record and the bytes it came from: ``start`` included, ``end`` excluded, as offsets in its file."""

    record: ReadRecord
    start: int
    end: int


class Stop(Enum):
    """Why reading stopped."""

    END = "end"
    """The bytes ended at a frame's border."""
    INCOMPLETE = "incomplete"
    """The last frame is cut short: it is still being written, or its writer died."""
    DAMAGED = "damaged"
    """The frame's checksum, kind or content is wrong."""
    NEWER = "newer"
    """The frame was written by a newer version of the product; it is left for that version to read."""


class Frames(Struct, frozen=True):
    """What a stretch of a spool file holds: the whole frames, where reading stopped, and why."""

    frames: tuple[Frame, ...]
    end: int
    stop: Stop


def encode(record: Record) -> bytes:
    """One record as one frame.

    Raises OverflowError, UnicodeEncodeError or TypeError for a record that msgpack cannot hold.
    """
    kind = _KIND_OF[type(record)]
    payload = _ENCODER.encode(record)
    return HEADER.pack(len(payload), kind, VERSION, zlib.crc32(payload, _SEEDS[kind])) + payload


def read_frames(data: bytes, *, offset: int = 0, limit: int | None = None) -> Frames:
    """Read up to ``limit`` frames from bytes that lie at ``offset`` in their file, stopping where `Frames` says.

    Reaching ``limit`` counts as a clean end.
    """
    frames: list[Frame] = []
    position = 0
    view = memoryview(data)
    while limit is None or len(frames) < limit:
        step = _read_one(view, position, offset)
        if isinstance(step, Stop):
            return Frames(tuple(frames), offset + position, step)
        frames.append(step)
        position = step.end - offset
    return Frames(tuple(frames), offset + position, Stop.END)


def _read_one(view: memoryview, position: int, offset: int) -> Frame | Stop:
    left = len(view) - position
    if left < HEADER.size:
        return Stop.INCOMPLETE if left else Stop.END
    length, kind, version, checksum = HEADER.unpack_from(view, position)
    if length > MAX_PAYLOAD_BYTES:
        return Stop.DAMAGED
    start = position + HEADER.size
    end = start + length
    if end > len(view):
        return Stop.INCOMPLETE
    record = _decode(view[start:end], kind, version, checksum)
    return record if isinstance(record, Stop) else Frame(record, offset + position, offset + end)


def _decode(payload: memoryview, kind: int, version: int, checksum: int) -> ReadRecord | Stop:
    if checksum != zlib.crc32(payload, zlib.crc32(bytes((kind, version)))):
        return Stop.DAMAGED
    if version > VERSION or kind >= len(RECORD_KINDS):
        return Stop.NEWER
    try:
        return _READERS[kind](payload)
    except msgspec.DecodeError:
        return Stop.DAMAGED


def _read_opened(payload: memoryview) -> OpenAttempt:
    name = _DECODE_NAME.decode(payload).facts
    return OpenAttempt(name.call_id, name.attempt, bytes(payload))


_READERS: Final[Mapping[int, Callable[[memoryview], ReadRecord]]] = {
    _KIND_OF[Opened]: _read_opened,
    _KIND_OF[Settled]: msgspec.msgpack.Decoder(Settled).decode,
    _KIND_OF[Corrected]: msgspec.msgpack.Decoder(Corrected).decode,
}
