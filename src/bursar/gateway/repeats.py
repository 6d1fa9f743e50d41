"""Requests whose head repeats the one before on their connection, taken without parsing it again.

A client sends the same head with every request but for the body's length, and parsing it costs more than anything else
on the way in. The same bytes at the same place mean the same: so a connection remembers the bytes of its last head, cut
where the length stands, beside what the parser made of them. The next read is compared with those bytes; where it holds
the same head and exactly one whole body, it needs no parser. Everything else goes to the parser, from its first byte.

The memory is one head a connection, and goes with the connection, so that no credential outlives its client.
"""

import re
from typing import Final, Self

from bursar.gateway.headers import Heading

_HEAD_END: Final = b"\r\n\r\n"

_LONGEST_LENGTH: Final = 19
"""Digits of the largest length there is; llhttp refuses one that does not fit 64 bits."""

_content_lengths = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)(?=\r\n)", re.IGNORECASE).finditer


class RepeatedHead:
    """The bytes of a request head around its content-length, and what they say."""

    __slots__ = ("_after", "_before", "heading")

    def __init__(self, before: bytes, after: bytes, heading: Heading) -> None:
        self._before = before
        self._after = after
        self.heading = heading

    @classmethod
    def of(cls, data: bytes, heading: Heading) -> Self | None:
        """Remember the head of ``data``, which the parser read as ``heading``, from the end of a message on.

        ``None`` where the bytes leave any doubt about where the head ends: they must be one request, whole, with one
        content-length and no line end but CRLF in its head.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        head = data[:end]
        if head.count(b"\n") != head.count(b"\r\n"):
            return None
        lengths = list(_content_lengths(head))
        if len(lengths) != 1 or int(lengths[0][1]) != len(data) - end:
            return None
        return cls(head[: lengths[0].start(1)], head[lengths[0].end(1) :], heading)

    def body_of(self, data: bytes) -> bytes | None:
        """The body, if ``data`` is this head with a content-length of its own and that body; else ``None``."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(b"\r", start, start + _LONGEST_LENGTH + 1)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        body = data[end + len(self._after) :]
        return body if len(body) == int(digits) else None
