"""Writes a request's head, and refuses one that could be read as anything else than what it says."""

import re
from typing import Final

from bursar.upstream.fields import TOKEN
from bursar.upstream.model import UpstreamRequest

_is_target = re.compile(rb"/[^\x00-\x20\x7f]*").fullmatch

_BODILESS_METHODS: Final = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"))
"""Methods whose empty body is not announced (RFC 9110 §8.6)."""


def encode_head(request: UpstreamRequest, *, prefix: bytes, host_lines: bytes) -> bytes:
    """The request line and fields, up to and including the empty line.

    ``prefix`` precedes the target (the origin, for a proxy's absolute-form); ``host_lines`` are the ready-made Host
    field and, for a proxy, its credentials. Raises ValueError naming what is wrong, never its value: it may be secret.
    """
    fields = request.headers.lines()
    if not request.method or request.method.translate(None, TOKEN):
        raise ValueError(f"{request.method!r} is not an HTTP method")
    if not _is_target(request.target):
        raise ValueError("the request target must start with '/' and hold no spaces or control characters")
    length = len(request.body)
    framing = b"" if not length and request.method in _BODILESS_METHODS else b"content-length: %d\r\n" % length
    return b"%b %b%b HTTP/1.1\r\n%b%b%b\r\n" % (request.method, prefix, request.target, host_lines, fields, framing)
