"""Taps that forward every byte untouched and read a copy, later and in batches.

Parsing each chunk as it passes would put a parser between the provider and the client. Here a chunk costs one append;
the bytes are read a batch at a time, or when the answer ends. A batch bounds the memory a stream holds; a whole body
is held up to a limit, past which nothing of it is read and the reading says so.
"""

from http import HTTPStatus
from typing import Final, Protocol

from bursar.dialects.base import Reading
from bursar.events import UsageStatus

BATCH_BYTES: Final = 64 * 1024
"""How much of a stream is kept before it is read."""

BODY_BYTES: Final = 64 * 1024 * 1024
"""Largest unstreamed answer that is read; the same as the largest request admitted by default."""


def is_success(status: int) -> bool:
    """Whether an answer of this HTTP status can have been billed."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


class BodyReader(Protocol):
    """Understands one unstreamed answer."""

    def __call__(self, body: bytes, /, *, complete: bool) -> Reading:
        """What the body says; ``complete`` tells whether it reached its end. Never raises."""
        ...


class StreamReader(Protocol):
    """Understands one streamed answer."""

    event_ends: bytes
    """Bytes that an event can end with; empty when any byte may be its last."""

    def read(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere. Never raises."""
        ...

    def seen(self) -> Reading:
        """What the stream has said so far; it may go on afterwards. Never raises."""
        ...

    def closing(self) -> bytes | None:
        """What ends the stream at this point as if by its output cap; ``None`` inside an event."""
        ...

    def reading(self, *, complete: bool) -> Reading:
        """What the stream said; ``complete`` tells whether the HTTP body reached its end. Never raises."""
        ...


class StreamTap:
    """Hands a stream to its reader in batches."""

    __slots__ = ("_ending", "_held", "_is_stopping", "_reader", "_size")

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._held: list[bytes] = []
        self._size = 0
        self._is_stopping = False
        self._ending: bytes | None = None

    def feed(self, data: bytes) -> bytes:
        if self._is_stopping:
            return self._to_end_of_event(data)
        self._held.append(data)
        self._size += len(data)
        if self._size >= BATCH_BYTES:
            self._drain()
        return data

    def flush(self) -> bytes:
        return b""

    def seen(self) -> Reading:
        self._drain()
        return self._reader.seen()

    def stop(self) -> bytes | None:
        self._drain()
        self._is_stopping = True
        if self._ending is None:
            self._ending = self._reader.closing()
        return self._ending

    def finish(self, *, complete: bool) -> Reading:
        self._drain()
        return self._reader.reading(complete=complete)

    def _to_end_of_event(self, data: bytes) -> bytes:
        """The rest of the event that was cut, read piece by piece; nothing after it."""
        start = 0
        ends = self._reader.event_ends
        for at, byte in enumerate(data, start=1):
            if self._ending is not None:
                break
            if not ends or byte in ends or at == len(data):
                self._reader.read(data[start:at])
                start = at
                self._ending = self._reader.closing()
        return data[:start]

    def _drain(self) -> None:
        batch = b"".join(self._held)
        self._held.clear()
        self._size = 0
        if batch:
            self._reader.read(batch)


class BodyTap:
    """Keeps an unstreamed answer and reads it at its end."""

    __slots__ = ("_held", "_read", "_size")

    def __init__(self, read: BodyReader) -> None:
        self._read = read
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size <= BODY_BYTES:
            self._held.append(data)
        else:
            self._held.clear()
        return data

    def flush(self) -> bytes:
        return b""

    def seen(self) -> Reading:
        return self.finish(complete=False)

    def stop(self) -> bytes | None:
        return b""

    def finish(self, *, complete: bool) -> Reading:
        if self._size > BODY_BYTES:
            note = f"the answer of {self._size} bytes exceeds {BODY_BYTES} bytes, so its usage was not read"
            return Reading(usage=None, status=UsageStatus.MISSING, complete=complete, notes=(note,))
        return self._read(b"".join(self._held), complete=complete)
