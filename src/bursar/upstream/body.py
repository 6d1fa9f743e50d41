"""Finds the end of an answer's body: by length, by chunks, or by the end of the connection.

A reader is fed the bytes that follow the head, split anywhere, and gives back the body bytes among them. Where its
input is split changes nothing but how its output is split.

llhttp could decode chunks too, but does not say where in its input a message ended nor how long a chunk extension has
grown, and both must be known exactly: bytes after the end condemn the connection, and a size line is capped.
"""

import re
from enum import Enum
from typing import Final, Protocol

from bursar.upstream.head import Framing, Malformed, ResponseHead

_MAX_SIZE_LINE: Final = 4096
"""Bytes of a chunk's size line, extensions included; the limit of Go's net/http/internal/chunked.go."""

_match_size_line = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?\r\n").match
"""Padding after the size is let through, as by h11: some old servers send it, and it is unambiguous."""

_is_size_line_start = re.compile(rb"[0-9A-Fa-f]{1,16}(?:[ \t]*(?:;[^\r\n\0]*)?\r?)?").fullmatch

_match_trailers = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[^\r\n\0]*+\r\n)*+\r\n").match

_CRLF: Final = b"\r\n"
_CHUNK_LINE_ENDS: Final = 4
"""Bytes of the line ends after a chunk's size and after its data."""
_LONGEST_SIZE: Final = 18
"""Sixteen digits and a line end."""


class BodyReader(Protocol):
    """Takes the bytes after a head until the body ends."""

    ended: bool
    """The body is complete."""
    surplus: bool
    """More bytes than the body's own came in; they are dropped, and so must be the connection."""
    fault: Malformed | None
    """Why the rest cannot be read; bytes given back before are still good."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the body bytes among them, the same object where it can be."""
        ...

    def feed_eof(self) -> None:
        """The connection has ended in good order; sets ``ended`` where that is how the body ends."""
        ...


def body_reader(head: ResponseHead, *, max_trailer_bytes: int) -> BodyReader:
    """The reader for the body that a head announces."""
    body = head.body
    if isinstance(body, int):
        return FixedLengthBody(body)
    return ChunkedBody(max_trailer_bytes) if body is Framing.CHUNKED else UntilEofBody()


class FixedLengthBody:
    """A body of a stated length, zero included."""

    __slots__ = ("_left", "ended", "fault", "surplus")

    def __init__(self, length: int) -> None:
        self._left = length
        self.ended = length == 0
        self.surplus = False
        self.fault: Malformed | None = None

    def feed(self, data: bytes) -> bytes:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        body = data if left == 0 else data[: self._left]
        self._left = 0
        self.ended = True
        self.surplus |= left < 0
        return body

    def feed_eof(self) -> None:
        """An early end leaves the body incomplete."""


class UntilEofBody:
    """A body that lasts as long as the connection."""

    __slots__ = ("ended", "fault", "surplus")

    def __init__(self) -> None:
        self.ended = False
        self.surplus = False
        self.fault: Malformed | None = None

    def feed(self, data: bytes) -> bytes:
        return data

    def feed_eof(self) -> None:
        self.ended = True


class _Expect(Enum):
    SIZE_LINE = "size line"
    DATA = "data"
    DATA_END = "data end"
    TRAILERS = "trailers"


_SIZE_LINE: Final = _Expect.SIZE_LINE


class ChunkedBody:
    """A body in chunks (RFC 9112 §7.1); extensions and trailers are checked and dropped."""

    __slots__ = ("_expect", "_held", "_left", "_max_trailer_bytes", "ended", "fault", "surplus")

    def __init__(self, max_trailer_bytes: int) -> None:
        self._max_trailer_bytes = max_trailer_bytes
        self._expect = _Expect.SIZE_LINE
        self._left = 0
        self._held = b""
        self.ended = False
        self.surplus = False
        self.fault: Malformed | None = None

    def feed(self, data: bytes) -> bytes:
        if self._expect is _SIZE_LINE and not self._held:
            # Providers write one event a chunk, and most reads bring exactly one: then the length tells what its size
            # line must be, in the usual spelling, and nothing is parsed.
            line_end = data.find(_CRLF, 0, _LONGEST_SIZE)
            size = len(data) - line_end - _CHUNK_LINE_ENDS
            if size > 0 and data.startswith(b"%x\r\n" % size) and data.endswith(_CRLF):
                return data[line_end + 2 : -2]
        return self._feed_any(data)

    def _feed_any(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended and not self._held and self.fault is None:
            match self._expect:
                case _Expect.DATA:
                    pieces.append(data[at : at + self._left])
                    at += self._take(len(pieces[-1]))
                case _Expect.DATA_END:
                    at += self._end_data(data, at)
                case _Expect.SIZE_LINE:
                    at += self._read_size_line(data, at)
                case _Expect.TRAILERS:
                    at += self._read_trailers(data, at)
        self.surplus |= self.ended and at < len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def feed_eof(self) -> None:
        """An early end leaves the body incomplete."""

    def _take(self, size: int) -> int:
        self._left -= size
        if not self._left:
            self._expect = _Expect.DATA_END
        return size

    def _end_data(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if end == _CRLF:
            self._expect = _Expect.SIZE_LINE
            return 2
        if end == b"\r":
            self._held = end
            return 0
        return self._refuse("a chunk is longer than its size")

    def _read_size_line(self, data: bytes, at: int) -> int:
        line = _match_size_line(data, at)
        if line is None:
            rest = data[at:]
            if not _is_size_line_start(rest):
                return self._refuse("a chunk size is malformed")
            return self._hold(rest, _MAX_SIZE_LINE, "a chunk extension is too long")
        length = line.end() - at
        if length > _MAX_SIZE_LINE:
            return self._refuse("a chunk extension is too long")
        self._left = int(line[1], 16)
        self._expect = _Expect.DATA if self._left else _Expect.TRAILERS
        return length

    def _read_trailers(self, data: bytes, at: int) -> int:
        if not data.startswith(_CRLF, at) and data.find(b"\r\n\r\n", at) < 0:
            return self._hold(data[at:], self._max_trailer_bytes, "the trailers are too long")
        trailers = _match_trailers(data, at)
        if trailers is None:
            return self._refuse("a trailer is malformed")
        length = trailers.end() - at
        if length > self._max_trailer_bytes:
            return self._refuse("the trailers are too long")
        self.ended = True
        return length

    def _hold(self, rest: bytes, limit: int, message: str) -> int:
        if len(rest) >= limit:
            return self._refuse(message)
        self._held = rest
        return 0

    def _refuse(self, message: str) -> int:
        self.fault = Malformed(f"in the answer's body, {message}")
        return 0
