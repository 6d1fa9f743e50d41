"""The HTTP/1.1 client of the relay: sends requests over pooled connections and reports by callbacks.

It never resends: whether a request that may have been billed is sent again is the caller's decision, to be recorded as
an attempt of its own (`FailureKind.STALE` says when that is most likely harmless). It follows no redirect, keeps no
cookie and decodes no content.
"""

import asyncio

from bursar.upstream.connect import Connector
from bursar.upstream.deadlines import Deadlines
from bursar.upstream.exchange import Exchange
from bursar.upstream.lane import Lane
from bursar.upstream.model import ClientSettings, FailureKind, Origin, OriginStats, ResponseHandler, UpstreamRequest
from bursar.upstream.request import encode_head


class UpstreamClient:
    """A pool of connections for each origin; belongs to one event loop and is used on its thread only.

    Raises ConfigError when the proxy or the file of authorities in ``settings`` cannot be used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ClientSettings) -> None:
        self._loop = loop
        self._settings = settings
        self._connector = Connector(loop, settings)
        self._deadlines = Deadlines(loop)
        self._lanes: dict[Origin, Lane] = {}
        self._is_closed = False

    def send(self, request: UpstreamRequest, handler: ResponseHandler) -> Exchange:
        """Start an exchange and return at once.

        Never raises: whatever goes wrong, a request that cannot be put on the wire and a closed client included, is
        told by ``handler.on_failure``, after this returned. Only ``on_sent`` may be called before it returns.
        """
        exchange = Exchange(request, handler)
        if self._is_closed:
            self._loop.call_soon(exchange.fail_unsent, FailureKind.CLOSED, "the client was closed")
            return exchange
        lane = self._lanes.get(request.origin) or self._add_lane(request.origin)
        try:
            exchange.head = encode_head(request, prefix=lane.route.prefix, host_lines=lane.route.host_lines)
        except ValueError as invalid:
            self._loop.call_soon(exchange.fail_unsent, FailureKind.MALFORMED, f"{lane.name}: {invalid}")
            return exchange
        lane.send(exchange)
        return exchange

    def stats(self) -> dict[Origin, OriginStats]:
        """Connections and queue of every origin used so far."""
        return {origin: lane.stats() for origin, lane in self._lanes.items()}

    async def aclose(self) -> None:
        """Fail every exchange in progress with CLOSED and close every connection; returns when they are gone."""
        self._is_closed = True
        for lane in self._lanes.values():
            await lane.aclose()
        self._deadlines.close()

    def _add_lane(self, origin: Origin) -> Lane:
        lane = Lane(self._loop, origin, self._connector, self._deadlines, self._settings)
        self._lanes[origin] = lane
        return lane
