"""Turns the bytes of one connection into one answer, without touching a socket.

A head is parsed once it is whole, so that how the network cut it cannot change what it means; what cannot become a head
any more is refused at once rather than waited for.
"""

import re
from typing import Final

from bursar.upstream.body import BodyReader, body_reader
from bursar.upstream.head import Malformed, ResponseHead, parse_head

_HEAD_START: Final = b"HTTP/1."
_HEAD_END: Final = b"\r\n\r\n"
_OK: Final = 200

_find_bare_end = re.compile(rb"\r(?!\n|\Z)|(?<!\r)\n|\0").search


class HeadTooLarge(ValueError):
    """The head outgrew its limit."""


class ResponseReader:
    """Reads one answer; made anew for each request, so that nothing of one answer can colour the next."""

    __slots__ = ("_held", "_left", "_max_header_bytes", "_method", "body", "fault", "head")

    def __init__(self, method: bytes, max_header_bytes: int) -> None:
        self._method = method
        self._max_header_bytes = max_header_bytes
        self._left = max_header_bytes
        self._held = b""
        self.head: ResponseHead | None = None
        """The final head, once it is whole; interim ones are dropped."""
        self.body: BodyReader | None = None
        """The reader of what follows the final head; may be fed directly once it is there."""
        self.fault: Malformed | HeadTooLarge | None = None
        """Why the rest of the answer cannot be read."""

    @property
    def ended(self) -> bool:
        """The answer is complete."""
        return self.body is not None and self.body.ended

    @property
    def reusable(self) -> bool:
        """After the end: the connection is in a known state and the server is willing to go on."""
        body, head = self.body, self.head
        return body is not None and head is not None and body.ended and not body.surplus and head.keep_alive

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the body bytes among them; then look at head, ``ended`` and ``fault``.

        Body bytes that precede a fault are returned all the same: they may hold the usage that is billed.
        """
        if self.body is None:
            data = self.read_heads(data)
        if self.body is None or not data:
            return b""
        decoded = self.body.feed(data)
        self.fault = self.body.fault
        return decoded

    def feed_eof(self) -> None:
        """The connection has ended in good order."""
        if self.body is not None:
            self.body.feed_eof()

    def read_heads(self, data: bytes) -> bytes:
        """Consume heads up to the final one and return what follows it."""
        known = max(len(self._held) - 1, 0)
        data = self._held + data if self._held else data
        self._held = b""
        while data and self.fault is None:
            end = data.find(_HEAD_END) + len(_HEAD_END)
            if end < len(_HEAD_END):
                self._hold(data, known)
                break
            known = 0
            self._left -= end
            if self._left < 0:
                self._refuse_size()
                break
            head = self._parse(data[:end])
            data = data[end:]
            if head is not None and head.status >= _OK:
                self.head = head
                self.body = body_reader(head, max_trailer_bytes=self._max_header_bytes)
                return data
        return b""

    def _parse(self, raw: bytes) -> ResponseHead | None:
        try:
            return parse_head(raw, self._method)
        except Malformed as fault:
            self.fault = fault
            return None

    def _hold(self, data: bytes, known: int) -> None:
        """Keep the start of a head, unless it can never become one; the first ``known`` bytes were looked at before."""
        if not _HEAD_START.startswith(data[: len(_HEAD_START)]) or _find_bare_end(data, known):
            self.fault = Malformed("the answer does not begin with an HTTP/1 head")
        elif len(data) >= self._left:
            self._refuse_size()
        else:
            self._held = data

    def _refuse_size(self) -> None:
        self.fault = HeadTooLarge(f"the answer's head is larger than {self._max_header_bytes} bytes")
