"""Writing an HTTP/1.x answer to a client's transport: one write for a whole answer, one per streamed chunk."""

import asyncio
import http
from collections.abc import Iterable
from typing import Final

from bursar.gateway.headers import Header


def _status_lines() -> dict[int, bytes]:
    lines = {}
    for status in range(100, 600):
        try:
            phrase = http.HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        lines[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")
    return lines


STATUS_LINES: Final = _status_lines()

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answer:
    """The answer to one request on one client connection.

    Once `transport` is gone (`detach`), every write is dropped: the caller goes on metering.
    """

    __slots__ = ("_chunked", "_keep_alive", "_transport", "has_begun", "http10")

    def __init__(self, transport: asyncio.Transport, *, http10: bool, keep_alive: bool) -> None:
        self._transport: asyncio.Transport | None = transport
        self._keep_alive = keep_alive
        self._chunked = False
        self.http10 = http10
        self.has_begun = False

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another request after this answer."""
        return self._keep_alive

    def peer(self) -> str | None:
        """The address of the connection's other end; ``None`` when it has none (a Unix socket) or is gone."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return name[0] if isinstance(name, tuple) else None

    def close_after(self) -> None:
        """The connection ends with this answer."""
        self._keep_alive = False

    def detach(self) -> None:
        """The client is gone."""
        self._transport = None

    def invite(self) -> None:
        """Ask a client that waits for it to send the body (`Expect: 100-continue`)."""
        self._write(CONTINUE)

    def whole(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Send a complete answer."""
        self.has_begun = True
        self._write(self._head(status, headers, b"content-length: %d\r\n" % len(body)) + body)

    def begin(self, status: int, headers: Iterable[Header], length: int | None) -> None:
        """Send the head of an answer whose body follows; ``length`` when it is known."""
        self.has_begun = True
        if length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self.http10:
            framing = b""
            self._keep_alive = False
        else:
            framing = b"transfer-encoding: chunked\r\n"
            self._chunked = True
        self._write(self._head(status, headers, framing))

    def send(self, data: bytes) -> None:
        """Send the next part of the body."""
        if self._transport is None:
            return
        if self._chunked:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._transport.write(data)

    def end(self) -> None:
        """The body is complete."""
        if self._chunked:
            self._write(b"0\r\n\r\n")

    def abort(self) -> None:
        """Break the answer off so that the client can tell it is not complete."""
        self._keep_alive = False
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _head(self, status: int, headers: Iterable[Header], framing: bytes) -> bytes:
        parts = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        parts += [b"%b: %b\r\n" % header for header in headers]
        parts.append(framing)
        if not self._keep_alive:
            parts.append(b"connection: close\r\n")
        elif self.http10:
            parts.append(b"connection: keep-alive\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
