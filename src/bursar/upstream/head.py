"""Reads the head of an answer: llhttp in strict mode, plus the rules it leaves to its caller.

llhttp already refuses obs-fold, bare CR or LF, control characters in values, spaces before the colon, a second
Content-Length, and Content-Length beside Transfer-Encoding. Here a head is refused as well for another protocol version
than 1.0 or 1.1, control characters in the reason, a status below 100, and any transfer coding but one ``chunked``.
"""

import re
from enum import Enum
from typing import Final

from httptools import HttpParserError, HttpResponseParser
from msgspec import Struct

_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304
_OK: Final = 200
_REDIRECTION: Final = 300
_SWITCHING_PROTOCOLS: Final = 101

_match_status_line = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n").match


class Malformed(ValueError):
    """Bytes that are not strict HTTP/1.1; the message says which rule they break."""


class Framing(Enum):
    """How the end of a body that has no stated length is found (RFC 9112 §6.3)."""

    CHUNKED = "chunked"
    UNTIL_EOF = "until_eof"


class ResponseHead(Struct, frozen=True):
    """A parsed head and what it says about the body that follows."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Lower-case names, values without surrounding white space, in wire order."""
    body: int | Framing
    """The body's length in bytes, or how its end is found."""
    keep_alive: bool
    """The server is willing to take another request on this connection."""


class _Fields:
    """Collects llhttp's header callbacks. Holds no parser: that would be a reference cycle for each answer."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))


def parse_head(raw: bytes, method: bytes) -> ResponseHead:
    """Parse one whole head, from status line to empty line, of an answer to a ``method`` request.

    Raises Malformed.
    """
    line = _match_status_line(raw)
    if line is None:
        raise Malformed("the answer does not begin with an HTTP/1.0 or HTTP/1.1 status line")
    status = int(line[2])
    if status == _SWITCHING_PROTOCOLS:
        raise Malformed("the answer switches protocols, which was not asked for")
    fields = _Fields()
    try:
        HttpResponseParser(fields).feed_data(raw)
    except HttpParserError as broken:
        raise Malformed(f"the answer's head is malformed: {broken}") from None
    return _frame(status, fields.headers, method, is_http_11=line[1] == b"1")


def _frame(status: int, headers: list[tuple[bytes, bytes]], method: bytes, *, is_http_11: bool) -> ResponseHead:
    by_name = dict(headers)
    length = by_name.get(b"content-length")
    codings = _values(headers, b"transfer-encoding") if b"transfer-encoding" in by_name else []
    options = _values(headers, b"connection") if b"connection" in by_name else []
    if codings and not (is_http_11 and len(codings) == 1 and codings[0].lower() == b"chunked"):
        raise Malformed("the answer's transfer-encoding is not exactly 'chunked' over HTTP/1.1")
    keep_alive = _persists(options, is_http_11=is_http_11)
    body: int | Framing
    if _has_no_body(status, method):
        body = 0
    elif codings:
        body = Framing.CHUNKED
    elif length is not None:
        body = int(length)
    else:
        body, keep_alive = Framing.UNTIL_EOF, False
    return ResponseHead(status, headers, body, keep_alive)


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Every value of a field that is there; most fields of most answers need no such search."""
    return [value for other, value in headers if other == name]


def _persists(options: list[bytes], *, is_http_11: bool) -> bool:
    """RFC 9112 §9.3: close wins, 1.1 persists by default, 1.0 only when it says so."""
    if not options:
        return is_http_11
    said = {option.strip(b" \t") for option in b",".join(options).lower().split(b",")}
    return b"close" not in said and (is_http_11 or b"keep-alive" in said)


def _has_no_body(status: int, method: bytes) -> bool:
    return (
        status < _OK
        or status in {_NO_CONTENT, _NOT_MODIFIED}
        or method == b"HEAD"
        or (method == b"CONNECT" and status < _REDIRECTION)
    )
