"""Everything one origin needs: its pool, its searches for a connection, and its connections until they are gone.

`OriginPool` decides who is served by what; this module acts on it.
"""

import asyncio
from functools import partial

from bursar.upstream.connect import ConnectFailed, Connector
from bursar.upstream.connection import Connection
from bursar.upstream.deadlines import Deadlines
from bursar.upstream.exchange import Exchange
from bursar.upstream.model import ClientSettings, FailureKind, Origin, OriginStats
from bursar.upstream.pool import OriginPool


class Search:
    """One exchange's wait for a connection: in the queue, then for its own connection to open."""

    __slots__ = ("_lane", "deadline", "exchange", "task")

    def __init__(self, lane: "Lane", exchange: Exchange, deadline: float) -> None:
        self._lane = lane
        self.exchange = exchange
        self.deadline = deadline
        self.task: asyncio.Task[None] | None = None
        """The attempt to open a connection; ``None`` in the queue."""

    def drop(self) -> None:
        self._lane.give_up(self)

    def pause(self) -> None:
        """Nothing is being read yet; the connection will ask."""

    def resume(self) -> None:
        """Nothing is being read yet; the connection will ask."""

    def on_deadline(self) -> None:
        """No connection in time, neither from the pool nor from the network."""
        if self.task is None:
            self.fail(FailureKind.POOL_TIMEOUT, "every connection stayed busy for the whole connect timeout")
        else:
            self.fail(FailureKind.CONNECT_TIMEOUT, "no connection was established within the connect timeout")

    def fail(self, kind: FailureKind, message: str) -> None:
        """End the search and the exchange, unless the search was over already."""
        if self.exchange.carrier is not self:
            return
        self._lane.give_up(self)
        self.exchange.fail_unsent(kind, f"{self._lane.name}: {message}")


class Lane:
    """One origin's traffic; owns its connections."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        connector: Connector,
        deadlines: Deadlines,
        settings: ClientSettings,
    ) -> None:
        self._loop = loop
        self._connector = connector
        self._deadlines = deadlines
        self._pool: OriginPool[Connection, Search] = OriginPool(settings.max_connections_per_origin)
        self._searches: set[Search] = set()
        self._connections: set[Connection] = set()
        self._is_closed = False
        self._emptied = asyncio.Event()
        self.route = connector.route(origin)
        self.name = str(origin)
        self.max_header_bytes = settings.max_header_bytes
        self.idle_s = settings.pool_idle_s

    def send(self, exchange: Exchange) -> None:
        """Carry an exchange on an idle connection, or on the next one to be had."""
        connection = self._pool.take_idle()
        while connection is not None:
            if connection.is_open:
                connection.start(exchange)
                return
            connection = self._pool.take_idle()
        self._search(exchange)

    def stats(self) -> OriginStats:
        """The counts of this moment."""
        pool = self._pool
        return OriginStats(open=pool.open_count, idle=pool.idle_count, waiting=pool.waiting_count)

    async def aclose(self) -> None:
        """Fail what is in progress with CLOSED, and return once every connection is gone."""
        self._is_closed = True
        for search in self._searches:
            self._loop.call_soon(search.fail, FailureKind.CLOSED, "the client was closed")
        for connection in self._connections:
            self._loop.call_soon(connection.shut)
        if self._pool.open_count:
            await self._emptied.wait()

    # The connections' side

    def released(self, connection: Connection) -> None:
        if self._is_closed:
            connection.abort()
            return
        search = self._pool.give_back(connection)
        if search is None:
            connection.rest()
        else:
            self._assign(search, connection)

    def lost(self, connection: Connection) -> None:
        self._pool.discard(connection)
        self._deadlines.forget(connection)
        if connection in self._connections:
            self._connections.remove(connection)
            self._free_slot()

    # The searches' side

    def give_up(self, search: Search) -> None:
        """The search is over without a connection."""
        self._forget(search)
        self._pool.leave(search)
        if search.task is not None:
            search.task.cancel()

    def _search(self, exchange: Exchange) -> None:
        deadline = self._loop.time() + exchange.request.timeouts.connect_s
        search = Search(self, exchange, deadline)
        exchange.carrier = search
        self._searches.add(search)
        self._deadlines.watch(search)
        if self._pool.take_slot():
            self._open_for(search)
        else:
            self._pool.enqueue(search)

    def _open_for(self, search: Search) -> None:
        connection = Connection(self._loop, self, self._deadlines)
        timeout_s = search.exchange.request.timeouts.connect_s
        search.task = self._loop.create_task(
            self._connector.open(self.route, connection, timeout_s), name=f"connect {self.name}"
        )
        search.task.add_done_callback(partial(self._opened, search, connection))

    def _opened(self, search: Search, connection: Connection, task: asyncio.Task[None]) -> None:
        """The attempt has ended; a callback, since a task cancelled before its first step runs no code of its own."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None or not connection.is_open:
            # uvloop closes the transport of a cancelled attempt without a word to its protocol: there is no loss to
            # wait for, and the slot is free now.
            connection.abort()
            self._free_slot()
            self._tell_not_opened(search, error)
            return
        self._connections.add(connection)
        self._deadlines.watch(connection)
        if search.exchange.carrier is search and not self._is_closed:
            self._assign(search, connection)
        else:
            self.released(connection)

    def _tell_not_opened(self, search: Search, error: BaseException | None) -> None:
        match error:
            case asyncio.CancelledError():
                return
            case ConnectFailed():
                search.fail(error.kind, error.message)
            case None:
                search.fail(FailureKind.CONNECT, "the connection closed as soon as it was open")
            case _:
                search.fail(FailureKind.CONNECT, f"opening a connection failed: {type(error).__name__}")
                raise error

    def _assign(self, search: Search, connection: Connection) -> None:
        self._forget(search)
        connection.start(search.exchange)

    def _forget(self, search: Search) -> None:
        self._searches.discard(search)
        self._deadlines.forget(search)

    def _free_slot(self) -> None:
        search = self._pool.free_slot()
        if search is not None:
            self._open_for(search)
        if self._is_closed and not self._pool.open_count:
            self._emptied.set()
