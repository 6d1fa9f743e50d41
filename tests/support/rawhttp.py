"""A client that sees every byte: for what well-behaved HTTP libraries hide."""

import socket
from dataclasses import dataclass
from typing import Self


@dataclass
class Answer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_complete: bool = True


class RawClient:
    """One connection; a context manager."""

    def __init__(self, port: int, *, timeout: float = 20) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(self, path: str, body: bytes, *, method: str = "POST", version: str = "1.1", **headers: str) -> None:
        lines = [f"{method} {path} HTTP/{version}", "host: 127.0.0.1", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def head(self) -> Answer:
        """Read an answer's head."""
        line = self._stream.readline()
        if not line:
            raise EOFError("the connection was closed without an answer")
        status = int(line.split(b" ", 2)[1])
        headers = {}
        while (line := self._stream.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, b"")

    def chunk(self) -> bytes | None:
        """Read one chunk of a chunked body; ``None`` when the connection broke off."""
        size = self._stream.readline()
        if not size.endswith(b"\r\n"):
            return None
        data = self._stream.read(int(size, 16))
        self._stream.readline()
        return data

    def answer(self) -> Answer:
        """Read a whole answer."""
        answer = self.head()
        if answer.headers.get("transfer-encoding") == "chunked":
            parts = []
            while chunk := self.chunk():
                parts.append(chunk)
            answer.is_complete = chunk == b""
            answer.body = b"".join(parts)
        elif "content-length" in answer.headers:
            answer.body = self._stream.read(int(answer.headers["content-length"]))
            answer.is_complete = len(answer.body) == int(answer.headers["content-length"])
        else:
            answer.body = self._stream.read()
        return answer

    def is_closed(self) -> bool:
        """Whether the other side closes the connection now."""
        return self._stream.read(1) == b""
