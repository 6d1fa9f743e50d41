"""A corporate HTTP proxy: its address, its credentials, and the tunnel it opens for TLS (RFC 9110 §9.3.6).

Only proxies that are themselves spoken to in plain HTTP are supported, which is what corporate networks run.
Credentials never appear in a message.
"""

import asyncio
from base64 import b64encode
from typing import Final, cast
from urllib.parse import unquote_to_bytes, urlsplit

from msgspec import Struct

from bursar.upstream.framing import ResponseReader
from bursar.upstream.model import Origin

_DEFAULT_PORT: Final = 80
_REDIRECTION: Final = 300


class Proxy(Struct, frozen=True):
    """Where the proxy is and what to show it."""

    host: str
    port: int
    credentials: bytes
    """A whole ``proxy-authorization`` field with its line end, or nothing."""

    def __repr__(self) -> str:
        return f"Proxy({self.address!r})"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


class ProxyRefused(OSError):
    """The proxy did not open the tunnel; the message says what it answered."""


def parse_proxy(url: str) -> Proxy:
    """Read ``http://[user:password@]host[:port]``; raises ValueError, which never repeats the URL."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("the proxy must be given as http://[user:password@]host[:port]")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("the proxy's URL must end after its port")
    return Proxy(parts.hostname, parts.port or _DEFAULT_PORT, _credentials(parts.username, parts.password))


def _credentials(user: str | None, password: str | None) -> bytes:
    if user is None:
        return b""
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password or "")
    return b"proxy-authorization: Basic %b\r\n" % b64encode(pair)


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel on a fresh connection; afterwards the transport belongs to another protocol."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_header_bytes: int) -> None:
        self._opened: asyncio.Future[None] = loop.create_future()
        self._reader = ResponseReader(b"CONNECT", max_header_bytes)
        self._transport: asyncio.Transport | None = None

    async def open(self, origin: Origin, credentials: bytes) -> None:
        """Returns once bytes go through to the origin; raises ProxyRefused."""
        if self._transport is None:
            raise RuntimeError("the tunnel was opened before its connection was made")
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}".encode("ascii")
        self._transport.write(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, credentials))
        await self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        body = self._reader.feed(data)
        head = self._reader.head
        if self._reader.fault is not None:
            self._end(ProxyRefused(f"it answered CONNECT with something else: {self._reader.fault}"))
        elif head is not None and head.status >= _REDIRECTION:
            self._end(ProxyRefused(f"it answered CONNECT with status {head.status}"))
        elif head is not None:
            early = bool(body) or not self._reader.reusable
            self._end(ProxyRefused("it sent bytes of its own into the tunnel") if early else None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ProxyRefused(f"it closed the connection ({exc})" if exc else "it closed the connection"))

    def _end(self, refusal: ProxyRefused | None) -> None:
        if self._opened.done():
            return
        if refusal is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(refusal)
