"""A stand-in for a gateway that stops every stream halfway, as a budget that is used up makes it."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from bursar.dialects.base import Tap
from bursar.dialects.registry import dialect_for
from support.provider import Received, ScriptedProvider, send_chunk, stream_head


def stopped_after(tap: Tap, pieces: list[bytes], count: int) -> tuple[bytes, bytes]:
    """What a client gets of a stream that is stopped after so many pieces, and the ending that is made for it."""
    sent = b""
    for fed, piece in enumerate(pieces, start=1):
        sent += tap.feed(piece)
        ending = tap.stop() if fed >= count else None
        if ending is not None:
            return sent, ending
    return sent + tap.flush(), b""


@contextmanager
def stopping(dialect: str, base_url: str, *, mount: str = "") -> Iterator[str]:
    """The URL of a server that forwards to ``base_url`` and stops each stream in its middle.

    ``mount`` is what official clients put before the paths that the dialect knows.
    """
    origin = urlsplit(base_url)

    def script(connection, asked: Received) -> None:
        speaks = dialect_for(dialect)
        endpoint = speaks.match(asked.method, urlsplit(asked.target).path.removeprefix(mount))
        request = speaks.read(endpoint, asked.headers.get("content-type", ""), asked.body)
        provider = http.client.HTTPConnection(origin.hostname, origin.port, timeout=20)
        headers = {name: value for name, value in asked.headers.items() if name not in {"content-length", "host"}}
        provider.request(asked.method, origin.path + asked.target, request.body, headers)
        answer = provider.getresponse()
        body, kind = answer.read(), answer.headers["content-type"]
        provider.close()
        tap = speaks.tap(endpoint, request, status=answer.status, content_type=kind, headers={})
        pieces = [body[start : start + 61] for start in range(0, len(body), 61)]
        stream_head(connection, kind)
        send_chunk(connection, b"".join(stopped_after(tap, pieces, len(pieces) // 2)))
        send_chunk(connection, b"")

    with ScriptedProvider(script) as server:
        yield server.url
