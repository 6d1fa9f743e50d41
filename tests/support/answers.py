"""Answers as bytes: how they are read whole or in pieces, by us and by h11, and strategies that make them up."""

from collections.abc import Iterable
from typing import NamedTuple

import h11
from hypothesis import strategies as st

from bursar.upstream.framing import ResponseReader

LIMIT = 64 * 1024


class Reading(NamedTuple):
    """What a reader made of some bytes and the end of the connection."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_complete: bool
    is_reusable: bool
    fault: str | None


def read(pieces: Iterable[bytes], *, method: bytes = b"POST", limit: int = LIMIT) -> Reading:
    """Feed the pieces, then the end of the connection, as a connection would."""
    reader = ResponseReader(method, limit)
    body = b""
    for piece in pieces:
        body += reader.feed(piece)
        if reader.fault is not None:
            break
    if reader.fault is None:
        reader.feed_eof()
    head = reader.head
    return Reading(
        status=None if head is None else head.status,
        headers=[] if head is None else head.headers,
        body=body,
        is_complete=reader.ended and reader.fault is None,
        is_reusable=reader.reusable and reader.fault is None,
        fault=None if reader.fault is None else str(reader.fault),
    )


def read_with_h11(data: bytes, *, method: bytes = b"POST") -> Reading:
    """The same bytes through h11."""
    peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMIT)
    peer.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
    peer.send(h11.EndOfMessage())
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = []
    body = b""
    is_complete = is_reusable = False
    fault = None
    if data:
        peer.receive_data(data)
    is_eof_fed = False
    try:
        while not is_complete:
            event = peer.next_event()
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                is_complete = True
                is_reusable = peer.their_state is h11.DONE and not peer.trailing_data[0] and not is_eof_fed
            elif event is h11.NEED_DATA and not is_eof_fed:
                peer.receive_data(b"")
                is_eof_fed = True
            elif not isinstance(event, h11.InformationalResponse):
                break
    except h11.RemoteProtocolError as error:
        fault = str(error)
    return Reading(status, headers, body, is_complete, is_reusable, fault)


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in random non-empty pieces."""
    if not data:
        return []
    cuts = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=12))) if len(data) > 1 else []
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


_TOKENS = st.text("abcXYZ-_.!09", min_size=1, max_size=12).map(str.encode)
_VALUES = st.text("abc XYZ\t:;=,\"'é0", max_size=20).map(lambda text: text.strip(" \t").encode("latin-1"))
_FRAMING_NAMES = {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks, with extensions and trailers."""
    out = b""
    for piece in draw(split(body)):
        extension = draw(st.sampled_from([b"", b"", b";a", b';a="b c"', b" ", b"; x=1"]))
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x"])) % len(piece)
        out += size + extension + b"\r\n" + piece + b"\r\n"
    trailers = draw(st.sampled_from([b"", b"", b"X-Trailer: 1\r\n", b"a: b\r\nC: d\r\n"]))
    return out + b"0" + draw(st.sampled_from([b"", b";last"])) + b"\r\n" + trailers + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A well-formed answer: interim heads, any framing, sometimes bytes after its end."""
    body = draw(st.binary(max_size=80))
    framing = draw(st.sampled_from(["length", "chunked", "eof"]))
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 304, 400, 429, 500, 529, 999]))
    names = _TOKENS.filter(lambda name: name.lower() not in _FRAMING_NAMES)
    fields = draw(st.lists(st.tuples(names, _VALUES), max_size=4))
    version = b"HTTP/1.1"
    if framing == "length":
        fields.append((b"Content-Length", b"%d" % len(body)))
        version = draw(st.sampled_from([version, version, b"HTTP/1.0"]))
    elif framing == "chunked":
        fields.append((draw(st.sampled_from([b"Transfer-Encoding", b"transfer-encoding"])), b"Chunked"))
    if draw(st.booleans()) and version == b"HTTP/1.1":
        fields.append((b"Connection", draw(st.sampled_from([b"close", b"keep-alive", b"x, Close", b"Keep-Alive"]))))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"]))
    reason = draw(st.sampled_from([b" OK", b"", b" ", b" Not so \xe9asy"]))
    space = draw(st.sampled_from([b" ", b"", b"  \t"]))
    head = b"%b %d%b\r\n" % (version, status, reason)
    head += b"".join(b"%b:%b%b%b\r\n" % (name, space, value, space) for name, value in draw(st.permutations(fields)))
    payload = draw(chunked(body)) if framing == "chunked" else body
    if status in {204, 304}:
        payload = b""
    return interim + head + b"\r\n" + payload + draw(st.sampled_from([b"", b"", b"", b"\r\n", b"more", b"HTTP/1.1 "]))
