"""Opens connections: names, addresses raced per RFC 8305, the corporate proxy, TLS.

Certificates are always verified against the host's name, with the system's authorities and, where one is configured, a
further file; there is deliberately no way to turn that off. This module fails closed: anything but a working, verified
connection is a `ConnectFailed`.
"""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from typing import Final

import aiohappyeyeballs
from msgspec import Struct

from bursar.errors import ConfigError
from bursar.upstream.connection import Connection
from bursar.upstream.model import ClientSettings, FailureKind, Origin
from bursar.upstream.proxy import Proxy, ProxyRefused, Tunnel, parse_proxy

_ATTEMPT_DELAY_S: Final = 0.25
"""Head start of one address before the next is tried (RFC 8305 §8)."""

_TLS_GRACE_S: Final = 60.0
"""What the TLS layer's own timeout is longer than ours, so that ours fires first and the failure has the right kind."""


class ConnectFailed(Exception):
    """No connection could be opened."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Route(Struct, frozen=True):
    """How one origin is reached, and what that means for its request heads."""

    origin: Origin
    proxy: Proxy | None
    prefix: bytes
    """Precedes each target: empty, or the origin where a proxy wants the absolute-form."""
    host_lines: bytes
    """The Host field, and the proxy's credentials where each request must carry them."""


class Connector:
    """Opens connections as one client's settings say. Raises ConfigError when they cannot work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ClientSettings) -> None:
        self._loop = loop
        self._max_header_bytes = settings.max_header_bytes
        self._tls = _tls_context(settings.ca_file)
        self._proxy = _proxy(settings.proxy)

    def route(self, origin: Origin) -> Route:
        """The way to an origin; loopback is always reached directly, since a proxy has a loopback of its own."""
        proxy = None if _is_loopback(origin.host) else self._proxy
        is_forwarded = proxy is not None and origin.scheme == "http"
        return Route(
            origin,
            proxy,
            prefix=str(origin).encode("ascii") if is_forwarded else b"",
            host_lines=b"host: %b\r\n%b"
            % (origin.authority.encode("ascii"), proxy.credentials if proxy and is_forwarded else b""),
        )

    async def open(self, route: Route, connection: Connection, timeout_s: float) -> None:
        """Connect ``connection`` to a transport; raises ConnectFailed.

        The caller enforces ``timeout_s`` by cancelling; here it only keeps the TLS layer from giving up sooner. When
        this raises or is cancelled, the caller must still abort ``connection``.
        """
        origin, proxy = route.origin, route.proxy
        if proxy is None:
            sock = await self._open_socket(origin.host, origin.port, FailureKind.CONNECT)
        else:
            sock = await self._open_socket(proxy.host, proxy.port, FailureKind.PROXY)
        try:
            if origin.scheme == "http":
                await self._loop.create_connection(lambda: connection, sock=sock)
            elif proxy is None:
                await self._start_tls(sock, connection, origin, timeout_s)
            else:
                await self._start_tls_through(proxy, sock, connection, origin, timeout_s)
        except ProxyRefused as refused:
            raise ConnectFailed(FailureKind.PROXY, f"the proxy refused: {refused}") from None
        except OSError as broken:
            kind = FailureKind.TLS if origin.scheme == "https" else FailureKind.CONNECT
            raise ConnectFailed(kind, _reason(broken)) from None

    async def _open_socket(self, host: str, port: int, kind: FailureKind) -> socket.socket:
        try:
            infos = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return await aiohappyeyeballs.start_connection(
                infos, happy_eyeballs_delay=_ATTEMPT_DELAY_S, loop=self._loop
            )
        except (OSError, RuntimeError, UnicodeError) as broken:
            raise ConnectFailed(kind, f"cannot connect to {host} port {port}: {broken}") from None

    async def _start_tls(self, sock: socket.socket, connection: Connection, origin: Origin, timeout_s: float) -> None:
        await self._loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=self._tls,
            server_hostname=origin.host,
            ssl_handshake_timeout=timeout_s + _TLS_GRACE_S,
        )

    async def _start_tls_through(
        self, proxy: Proxy, sock: socket.socket, connection: Connection, origin: Origin, timeout_s: float
    ) -> None:
        outer, tunnel = await self._loop.create_connection(
            lambda: Tunnel(self._loop, self._max_header_bytes), sock=sock
        )
        try:
            await tunnel.open(origin, proxy.credentials)
            inner = await self._loop.start_tls(
                outer,
                connection,
                self._tls,
                server_hostname=origin.host,
                ssl_handshake_timeout=timeout_s + _TLS_GRACE_S,
            )
        except BaseException:
            outer.abort()
            raise
        if inner is None:
            raise ConnectionResetError("the connection closed during the handshake")
        connection.connection_made(inner)


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as broken:
            raise ConfigError(f"relay.ca_file {ca_file!r} cannot be loaded: {broken}; give a PEM file") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy(url: str | None) -> Proxy | None:
    if url is None:
        return None
    try:
        return parse_proxy(url)
    except ValueError as invalid:
        raise ConfigError(f"relay.proxy: {invalid}") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(broken: OSError) -> str:
    if isinstance(broken, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {broken.verify_message}"
    return f"the handshake failed: {broken}" if isinstance(broken, ssl.SSLError) else f"the connection broke: {broken}"
