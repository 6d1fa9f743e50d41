"""One connection: carries one exchange at a time, callbacks only.

It is idle, or it carries an exchange, or it is closed; what its owner must know is told by two calls, `Owner.released`
and `Owner.lost`. It decides nothing about reuse by others and opens nothing. Closing is always `abort`: a polite TLS
goodbye can hang for as long as the peer likes, and there is never anything left to say.

No timer, task or future is made for a request or a chunk: the deadline is an attribute that `Deadlines` looks at.
"""

import asyncio
from math import inf
from typing import Final, Protocol, cast

from bursar.upstream.body import BodyReader
from bursar.upstream.deadlines import Deadlines
from bursar.upstream.exchange import Exchange
from bursar.upstream.framing import HeadTooLarge, ResponseReader
from bursar.upstream.model import Failure, FailureKind

_JOIN_BELOW: Final = 64 * 1024
"""Bodies up to this size are joined with the head into one write: copying is cheaper than a second system call."""

_SLICE: Final = 256 * 1024
"""Larger bodies are handed over in slices of this size, no faster than the transport takes them."""


class Owner(Protocol):
    """The pool that a connection belongs to."""

    name: str
    """The origin, for messages."""
    max_header_bytes: int
    idle_s: float

    def released(self, connection: "Connection") -> None:
        """The answer was complete and the connection can carry another exchange."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection is gone; called once, after the transport has closed."""
        ...


class Connection(asyncio.Protocol):
    """A protocol for either a plain or a TLS transport."""

    __slots__ = (
        "_answer_started",
        "_body",
        "_body_bytes",
        "_deadlines",
        "_exchange",
        "_idle_s",
        "_is_write_paused",
        "_loop",
        "_owner",
        "_reader",
        "_served",
        "_transport",
        "_unsent",
        "deadline",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, deadlines: Deadlines) -> None:
        self._loop = loop
        self._owner = owner
        self._deadlines = deadlines
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._reader = ResponseReader(b"", 0)
        self._unsent: memoryview | None = None
        self._is_write_paused = False
        self._served = 0
        self._answer_started = False
        self._body: BodyReader | None = None
        """The reader of the body, once the final head has arrived."""
        self._body_bytes = 0
        self._idle_s = inf
        self.deadline = inf
        """When the exchange times out, or the idle connection expires."""

    @property
    def is_open(self) -> bool:
        """Whether an exchange may be started; a transport closes before its loss is told."""
        return self._transport is not None and not self._transport.is_closing()

    def start(self, exchange: Exchange) -> None:
        """Send a request; the connection must be idle."""
        request = exchange.request
        exchange.carrier = self
        self._exchange = exchange
        self._reader = ResponseReader(request.method, self._owner.max_header_bytes)
        self._answer_started = False
        self._body = None
        self._body_bytes = 0
        self._idle_s = request.timeouts.idle_s
        self._served += 1
        self._await_answer()
        transport = self._writer()
        if exchange.is_paused:
            transport.pause_reading()
        if len(request.body) <= _JOIN_BELOW:
            transport.write(exchange.head + request.body)
            self._tell_sent(exchange)
        else:
            transport.write(exchange.head)
            self._unsent = memoryview(request.body)
            self._send_more()

    def abort(self) -> None:
        """Close at once; the owner hears of it through `Owner.lost`, the exchange, if any, through `on_failure`."""
        if self._transport is not None:
            self._transport.abort()

    def shut(self) -> None:
        """Close at once and fail the exchange, if any, with CLOSED."""
        self._fail(FailureKind.CLOSED, "the client was closed")

    def rest(self) -> None:
        """The owner keeps the connection idle from now on."""
        self.deadline = self._loop.time() + self._owner.idle_s
        self._deadlines.hasten(self.deadline)

    # The exchange's side

    def drop(self) -> None:
        self._clear()
        self.abort()

    def pause(self) -> None:
        self._writer().pause_reading()
        self.deadline = inf

    def resume(self) -> None:
        self._writer().resume_reading()
        self._await_answer()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.handler is None:
            self.abort()
            return
        body = self._body
        if body is None:
            data = self._read_heads(exchange, data)
            body = self._body
            if body is None:
                return
        part = body.feed(data) if data else b""
        if part and exchange.handler is not None:
            self._body_bytes += len(part)
            exchange.handler.on_body(part)
        if self._exchange is not exchange:
            return  # the handler cancelled
        if body.ended:
            self._finish(exchange)
        elif body.fault is not None:
            self._fail(FailureKind.MALFORMED, str(body.fault))
        elif not exchange.is_paused:
            # Later than before, so the timer needs no word of it.
            self.deadline = self._loop.time() + self._idle_s

    def eof_received(self) -> None:
        self._reader.feed_eof()
        exchange = self._exchange
        if exchange is None:
            self.abort()
        elif self._reader.ended:
            self._finish(exchange)
        else:
            self._fail(*self._loss(None))

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self._exchange
        failure = self._failure(*self._loss(exc))
        self._clear()
        self._transport = None
        self._owner.lost(self)
        if exchange is not None:
            exchange.fail(failure)

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        if self._unsent is not None:
            self._send_more()

    def on_deadline(self) -> None:
        """A phase of the exchange took too long, or nobody needed the connection."""
        if self.deadline > self._loop.time():
            return
        if self._exchange is None:
            self.abort()
        elif self._reader.head is not None:
            self._fail(FailureKind.IDLE_TIMEOUT, "the answer stopped for longer than the idle timeout")
        elif self._unsent is not None:
            self._fail(FailureKind.FIRST_BYTE_TIMEOUT, "the provider stopped taking the request's body")
        else:
            self._fail(FailureKind.FIRST_BYTE_TIMEOUT, "no answer came within the first-byte timeout")

    # Helpers

    def _read_heads(self, exchange: Exchange, data: bytes) -> bytes:
        """Wait for the final head and tell it; returns what followed it."""
        self._answer_started = True
        reader = self._reader
        data = reader.read_heads(data)
        if reader.fault is not None:
            kind = FailureKind.HEADERS_TOO_LARGE if isinstance(reader.fault, HeadTooLarge) else FailureKind.MALFORMED
            self._fail(kind, str(reader.fault))
        elif reader.head is not None and exchange.handler is not None:
            self._body = reader.body
            self._await_answer()
            exchange.handler.on_head(reader.head.status, reader.head.headers)
        return data

    def _writer(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError("the connection was used before it was made")
        return self._transport

    def _await_answer(self) -> None:
        """Start the timeout of the phase that the exchange is in; a paused one waits for nothing."""
        exchange = self._exchange
        if exchange is None or exchange.is_paused:
            return
        timeouts = exchange.request.timeouts
        wait_s = timeouts.first_byte_s if self._reader.head is None else timeouts.idle_s
        self.deadline = self._loop.time() + wait_s
        self._deadlines.hasten(self.deadline)

    def _send_more(self) -> None:
        """Hand over as much of the body as the transport takes; each slice it took restarts the timeout."""
        transport = self._writer()
        while self._unsent is not None and not self._is_write_paused and not transport.is_closing():
            piece = self._unsent[:_SLICE]
            self._unsent = self._unsent[_SLICE:] if len(self._unsent) > _SLICE else None
            transport.write(piece)
        self._await_answer()
        if self._unsent is None and self._exchange is not None:
            self._tell_sent(self._exchange)

    def _tell_sent(self, exchange: Exchange) -> None:
        if exchange.handler is None:
            return
        try:
            exchange.handler.on_sent()
        except Exception as raised:  # noqa: BLE001 - a handler's fault must reach the loop, not the caller of send()
            self._loop.call_exception_handler(
                {"message": "on_sent() raised", "exception": raised, "protocol": self, "transport": self._transport}
            )
            self._fail(FailureKind.CLOSED, "the handler raised")

    def _finish(self, exchange: Exchange) -> None:
        transport = self._writer()
        is_all_sent = self._unsent is None and not transport.get_write_buffer_size()
        is_reusable = self._reader.reusable and is_all_sent and not transport.is_closing()
        if exchange.is_paused:
            transport.resume_reading()
        self._clear()
        if not is_reusable:
            transport.abort()
        exchange.complete()
        if is_reusable:
            self._owner.released(self)

    def _fail(self, kind: FailureKind, message: str) -> None:
        exchange = self._exchange
        failure = self._failure(kind, message)
        self._clear()
        self.abort()
        if exchange is not None:
            exchange.fail(failure)

    def _failure(self, kind: FailureKind, message: str) -> Failure:
        return Failure(
            kind,
            f"{self._owner.name}: {message}",
            sent=True,
            response_started=self._answer_started,
            body_bytes=self._body_bytes,
        )

    def _loss(self, exc: Exception | None) -> tuple[FailureKind, str]:
        if exc is not None and not isinstance(exc, OSError):
            return FailureKind.CLOSED, f"the handler raised {type(exc).__name__}"
        kind = FailureKind.STALE if self._served > 1 and not self._answer_started else FailureKind.RESET
        reason = "the connection was closed" if exc is None else f"the connection broke ({exc})"
        return kind, f"{reason} {self._progress()}"

    def _progress(self) -> str:
        if not self._answer_started:
            return "before any answer"
        if self._reader.head is None:
            return "after the answer had begun, before its head was complete"
        return f"after {self._body_bytes} body bytes"

    def _clear(self) -> None:
        self._exchange = None
        self._unsent = None
        self.deadline = inf
