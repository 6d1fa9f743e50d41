"""A provider whose every byte the test decides: raw sockets, one script a request."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Received:
    """One request as it arrived at the provider."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[socket.socket, Received], None]
"""Answers one request. Closing the socket ends the connection."""


@dataclass
class ScriptedProvider:
    """Listens on loopback and runs a script for each request; a context manager.

    ``script`` may be replaced at any time. Failures inside a script are raised when the provider is closed.
    """

    script: Script
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._closing = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)
        for connection in self._open:
            connection.close()
        if self._failures:
            raise self._failures[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection.makefile("rb") as stream:
                while connection.fileno() >= 0:
                    request = _read(stream)
                    if request is None:
                        return
                    self.received.append(request)
                    self.script(connection, request)
        except OSError:
            return
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's thread
            if not self._closing:
                self._failures.append(failure)


def _read(stream) -> Received | None:
    line = stream.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)


def answer(body: bytes, *, status: int = 200, content_type: str = "application/json", extra: str = "") -> Script:
    """A script that answers with a complete body."""

    def script(connection: socket.socket, _request: Received) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        connection.sendall(head.encode("latin-1") + body)

    return script


def stream_head(connection: socket.socket, content_type: str = "text/event-stream") -> None:
    """Begin a chunked answer."""
    connection.sendall(
        f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )


def send_chunk(connection: socket.socket, data: bytes) -> None:
    """Send one HTTP chunk; empty data ends the body."""
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


def reset(connection: socket.socket) -> None:
    """Close a connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(connection.detach())
