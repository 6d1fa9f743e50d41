"""The relay's own HTTP/1.1 client: how requests reach providers.

``client`` is the face and ``lane`` serves one origin, with ``pool`` deciding who gets which connection and ``connect``
(``proxy``) opening new ones. ``connection`` carries one exchange at a time on an event-loop transport; ``request``
writes heads, and ``framing`` (``head``, ``body``) reads answers, neither knowing of sockets. ``deadlines`` keeps time.

Invariants: one terminal callback for each exchange; no request is ever sent twice by this package; a connection is
reused only when the last answer ended exactly where its framing says, nothing followed it, and the request had been
sent in full; certificates are always verified. It fails closed: what is not strict HTTP/1.1 ends the connection.
"""

from bursar.upstream.client import UpstreamClient
from bursar.upstream.exchange import Exchange
from bursar.upstream.fields import Fields
from bursar.upstream.model import (
    ClientSettings,
    Failure,
    FailureKind,
    Origin,
    OriginStats,
    ResponseHandler,
    Timeouts,
    UpstreamRequest,
)

__all__ = [
    "ClientSettings",
    "Exchange",
    "Failure",
    "FailureKind",
    "Fields",
    "Origin",
    "OriginStats",
    "ResponseHandler",
    "Timeouts",
    "UpstreamClient",
    "UpstreamRequest",
]
