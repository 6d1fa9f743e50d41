"""The values that cross the client's boundary: where to send, what to send, and how it can go wrong."""

from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from bursar.upstream.fields import Fields

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Origin(Struct, frozen=True):
    """A server as RFC 9110 §4.3.1 names it; connections are pooled by origin."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Lower-case ASCII name or address literal; IPv6 literals without brackets."""
    port: int

    @staticmethod
    def parse(base_url: str) -> tuple["Origin", str]:
        """Split a base URL into its origin and its path prefix (``""`` or ``/v1``, never with a trailing slash).

        Raises ValueError naming the URL when it is not an absolute http(s) URL, or carries credentials, a query or a
        fragment: a secret in a URL would end up in logs.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{base_url!r} is not an absolute http:// or https:// URL")
        if "@" in parts.netloc:
            raise ValueError(f"the URL of {parts.hostname!r} carries credentials; use the provider's api_key instead")
        if parts.query or parts.fragment:
            raise ValueError(f"{base_url!r} has a query or a fragment; a base URL ends with its path")
        host = parts.hostname.encode("idna").decode("ascii")
        return Origin(parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme]), parts.path.rstrip("/")

    @property
    def authority(self) -> str:
        """``host[:port]`` as the Host header spells it: no default port, brackets around IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Timeouts(Struct, frozen=True):
    """How long each phase of an exchange may take, in seconds; timers may fire up to 25 ms late."""

    connect_s: float
    """Getting a connection: waiting for a free one, DNS, TCP, proxy and TLS together."""
    first_byte_s: float
    """From the request's last byte to the answer's complete head; while the body is being sent, the longest stall."""
    idle_s: float
    """The longest silence inside the answer's body."""


class UpstreamRequest(Struct, frozen=True):
    """One request, ready to be put on the wire.

    The client itself adds ``host``, ``content-length`` and whatever framing needs; a request that brings one of those,
    or a CR, LF or NUL anywhere in its head, fails as `FailureKind.MALFORMED` without anything being sent.
    """

    origin: Origin
    method: bytes
    target: bytes
    """Origin-form: path and query, percent-encoded, with a leading slash."""
    headers: Fields
    """Without host, content-length, connection, transfer-encoding and upgrade."""
    body: bytes
    timeouts: Timeouts


class FailureKind(StrEnum):
    """Why an exchange ended without a complete answer."""

    CONNECT = "connect"
    """The name did not resolve, or no address accepted a connection."""
    TLS = "tls"
    """The handshake failed or the certificate is not trusted for this host."""
    PROXY = "proxy"
    """The corporate proxy could not be reached or refused the tunnel."""
    CONNECT_TIMEOUT = "connect_timeout"
    """No connection was established in time."""
    POOL_TIMEOUT = "pool_timeout"
    """Every connection to the origin stayed busy for the whole connect timeout."""
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    """The provider stalled before the head of its answer was complete."""
    IDLE_TIMEOUT = "idle_timeout"
    """The provider fell silent inside its answer."""
    RESET = "reset"
    """The connection broke before the answer was complete."""
    STALE = "stale"
    """A pooled connection broke before any byte of the answer: most likely the provider had closed it as idle. Whether
    it saw the request is unknown, so the client never resends; that is a second attempt, and the caller's decision."""
    MALFORMED = "malformed"
    """What came back, or what was to be sent, is not strict HTTP/1.1."""
    HEADERS_TOO_LARGE = "headers_too_large"
    """The answer's head exceeds `ClientSettings.max_header_bytes`."""
    CLOSED = "closed"
    """The client was closed, or the handler itself raised."""


class Failure(Struct, frozen=True):
    """How an exchange failed, and what may already have happened when it did."""

    kind: FailureKind
    message: str
    """One sentence for people; it names the origin and holds no credentials, headers or bodies."""
    sent: bool
    """Some byte of the request may have reached the provider, so it may have been acted on and billed."""
    response_started: bool
    """At least one byte of an answer arrived."""
    body_bytes: int
    """Body bytes handed to the handler before the failure."""


class ResponseHandler(Protocol):
    """Receives one exchange's events, in order, on the loop's thread.

    Exactly one of `on_complete` and `on_failure` is called, nothing follows it, and nothing is called after
    `Exchange.cancel`. A handler that raises loses its connection: the exception goes to the loop's exception handler
    and, unless the exchange had ended, ``on_failure(CLOSED)`` follows.
    """

    def on_sent(self) -> None:
        """The whole request has been handed to the transport; may be called inside ``send()`` itself."""
        ...

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The final head arrived (1xx are swallowed); names are lower-case, order and repeats are kept."""
        ...

    def on_body(self, data: bytes) -> None:
        """The next bytes of the body, freed of chunked framing; content encodings are untouched."""
        ...

    def on_complete(self) -> None:
        """The answer ended where its own framing says it does."""
        ...

    def on_failure(self, failure: Failure) -> None:
        """There will be no complete answer; never called inside ``send()``."""
        ...


class ClientSettings(Struct, frozen=True, kw_only=True):
    """What holds for every exchange of one client."""

    max_connections_per_origin: int = 2048
    """Open or opening connections to one origin; further exchanges wait for one, first come first served."""
    pool_idle_s: float = 30.0
    """How long an unused connection is kept."""
    max_header_bytes: int = 64 * 1024
    """Largest head of an answer, interim 1xx heads included, and largest trailer."""
    ca_file: str | None = None
    """PEM file of further certificate authorities to trust, beside the system's."""
    proxy: str | None = None
    """``http://[user:password@]host[:port]``; loopback origins are always reached directly."""


class OriginStats(Struct, frozen=True):
    """A moment's count of one origin's connections and queue."""

    open: int
    """Connections held or being established."""
    idle: int
    waiting: int
    """Exchanges waiting for a connection to become free."""
