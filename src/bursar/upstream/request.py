"""Writes a request's head, and refuses one that could be read as anything else than what it says.

A gateway copies header values from callers, so the head is checked as a whole before a byte leaves: one field must stay
one field, and framing fields belong to the client alone (RFC 9112 §11.1 and §11.2: response splitting, request
smuggling).
"""

import re
from typing import Final

from bursar.upstream.model import UpstreamRequest

_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The characters of a token (RFC 9110 §5.6.2)."""

_NEVER_SENT: Final = frozenset((b"", b"host", b"content-length", b"connection", b"transfer-encoding", b"upgrade"))
"""Names that are the client's own to write, and the name that is none."""

_is_target = re.compile(rb"/[^\x00-\x20\x7f]*").fullmatch

_BODILESS_METHODS: Final = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"))
"""Methods whose empty body is not announced (RFC 9110 §8.6)."""


def encode_head(request: UpstreamRequest, *, prefix: bytes, host_lines: bytes) -> bytes:
    """The request line and fields, up to and including the empty line.

    ``prefix`` precedes the target (the origin, for a proxy's absolute-form); ``host_lines`` are the ready-made Host
    field and, for a proxy, its credentials. Raises ValueError naming what is wrong, never its value: it may be secret.
    """
    fields = b"".join([b"%b: %b\r\n" % field for field in request.headers])
    if not _is_clean(request.headers, fields):
        raise ValueError(f"request header {_first_bad_name(request.headers)!r} cannot be sent")
    if not request.method or request.method.translate(None, _TOKEN):
        raise ValueError(f"{request.method!r} is not an HTTP method")
    if not _is_target(request.target):
        raise ValueError("the request target must start with '/' and hold no spaces or control characters")
    length = len(request.body)
    framing = b"" if not length and request.method in _BODILESS_METHODS else b"content-length: %d\r\n" % length
    return b"%b %b%b HTTP/1.1\r\n%b%b%b\r\n" % (request.method, prefix, request.target, host_lines, fields, framing)


def _is_clean(headers: tuple[tuple[bytes, bytes], ...], fields: bytes) -> bool:
    """Whether the encoded fields hold the line ends and names that were meant, and nothing else."""
    if not headers:
        return True
    count = len(headers)
    if fields.count(b"\r") != count or fields.count(b"\n") != count or b"\0" in fields:
        return False
    # Joined by a character that no name can hold, so that one pass checks them all.
    names = b",".join([name for name, _ in headers]).lower()
    return names.translate(None, _TOKEN) == b"," * (count - 1) and _NEVER_SENT.isdisjoint(names.split(b","))


def _first_bad_name(headers: tuple[tuple[bytes, bytes], ...]) -> str:
    bad = [name for name, value in headers if not _is_clean(((name, value),), b"%b: %b\r\n" % (name, value))]
    return bad[0].decode("latin-1")
