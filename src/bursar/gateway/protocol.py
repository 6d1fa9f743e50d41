"""Client connections: uvicorn's HTTP protocol, with the gateway's routes answered here, transport to transport.

A request under a gateway mount never becomes an ASGI scope: its bytes go to a `Call`. Everything else (console, API,
health) is ordinary ASGI, handled by the parent class on the same port. While a call is being answered, further bytes on
its connection are kept back, so that answers keep their order; reading goes on, because that is how a hang-up is seen.
"""

import asyncio
import logging
from collections import deque
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bursar.gateway.answer import Answer
from bursar.gateway.call import Call
from bursar.gateway.headers import PER_CALL, Heading
from bursar.gateway.repeats import RepeatedHead
from bursar.gateway.routes import owns
from bursar.gateway.state import Gateway

log = logging.getLogger("bursar.gateway")

MAX_HEAD_BYTES: Final = 64 * 1024
"""Largest request head, URL included; nginx and Apache allow 8 KB a line, agents send long metadata headers."""

MAX_HELD_BYTES: Final = 1024 * 1024
"""Pipelined bytes kept back while a call is answered; a client that sends more is disconnected."""

LINGER_S: Final = 2.0

_CALL: Final = 1
_ASGI: Final = 2


class GatewayProtocol(HttpToolsProtocol):
    """One client connection. Made by `protocol_class`, which binds the worker's gateway."""

    gateway: Gateway

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._call: Call | None = None
        self._owner = 0
        self._own: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._is_in_head = True
        self._is_between = True
        """No byte of a next message has been parsed."""
        self._repeatable: Heading | None = None
        """The heading of the call that the last read began, if a next one may look the same."""
        self._repeated: RepeatedHead | None = None
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._closes = False
        self._quiet_since_us = 0

    # Connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._quiet_since_us = self.gateway.clock.monotonic_us()
        self.gateway.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.connections.discard(self)
        call = self._call
        if call is not None:
            self._call = None
            call.client_gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._held or self._is_busy():
            self._hold(data)
        else:
            self._take(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._call is not None:
            self._call.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._call is not None:
            self._call.resume()

    def shutdown(self) -> None:
        """Close once the answer in progress, if any, is complete."""
        if self._call is not None:
            self._call.answer.close_after()
        else:
            super().shutdown()

    def sweep(self, now_us: int) -> None:
        """Close a connection that has sent no complete head for too long; check the call's deadlines."""
        if self._call is not None:
            self._call.sweep(now_us)
        elif self._owner == _ASGI and self.cycle is not None and not self.cycle.response_complete:
            return
        elif now_us - self._quiet_since_us > self.gateway.snapshot.config.server.keep_alive_s * 1_000_000:
            self.transport.close()

    # Parser callbacks.

    def on_message_begin(self) -> None:
        self._is_between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._own = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in PER_CALL:
            self._own[name] = value
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._call is not None:
            self._closes = True
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        if owns(self.url.decode("latin-1")):
            self._owner = _CALL
            self._begin_call()
        else:
            self._owner = _ASGI
            self._begin_asgi()

    def on_body(self, body: bytes) -> None:
        if self._owner == _ASGI:
            super().on_body(body)
        elif self._call is not None and not self._closes:
            self._call.receive(body)

    def on_message_complete(self) -> None:
        self._is_in_head = True
        self._is_between = True
        self._head_bytes = 0
        if self._owner == _ASGI:
            self._quiet_since_us = self.gateway.clock.monotonic_us()
            super().on_message_complete()
        elif self._call is not None:
            self._call.received()

    # Calls.

    def _begin_call(self) -> None:
        parser = self.parser
        own = self._own
        http10 = parser.get_http_version() == "1.0"
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        path, _, query = self.url.partition(b"?")
        heading = Heading(
            parser.get_method().decode("ascii"),
            path.decode("latin-1"),
            query.decode("latin-1"),
            self.gateway.heads.sorted(tuple(self.headers)),
            own,
        )
        expects_continue = _expects_continue(own)
        if keep_alive and not http10 and not expects_continue:
            self._repeatable = heading
        length = own.get(b"content-length")
        call = self._start_call(heading, Answer(self.transport, http10=http10, keep_alive=keep_alive))
        call.declare(int(length) if length is not None else None, expects_continue=expects_continue)

    def _repeat_call(self, heading: Heading, body: bytes) -> None:
        """A request like the one before, but for its body: `_begin_call` and the parser's events after it, at once."""
        call = self._start_call(heading, Answer(self.transport, http10=False, keep_alive=True))
        call.declare(len(body), expects_continue=False)
        if body:
            call.receive(body)
        call.received()

    def _start_call(self, heading: Heading, answer: Answer) -> Call:
        call = self._call = Call(self.gateway, heading, answer)
        call.on_answered(self._answered)
        return call

    def _begin_asgi(self) -> None:
        url, headers = self.url, [*self.headers, *self._own.items()]
        super().on_message_begin()
        self.url, self.headers = url, headers
        self.scope["headers"] = headers
        self.expect_100_continue = _expects_continue(self._own)
        super().on_headers_complete()

    def _answered(self) -> None:
        """The call's answer is complete: close, or take up the next request."""
        call, self._call = self._call, None
        self._quiet_since_us = self.gateway.clock.monotonic_us()
        if call is None or self.transport.is_closing():
            return
        if call.was_abandoned:
            self._linger()
            return
        if self._closes or not call.answer.keeps_alive or self.gateway.is_draining:
            self._closes = True
            self.transport.close()
            return
        self.server_state.total_requests += 1
        if self._held:
            self.loop.call_soon(self._release)

    def _linger(self) -> None:
        """Close after a refusal that came before the request was complete.

        Closing at once would reset the connection under a client that is still sending, and it would never read why
        (RFC 9112 §9.6): so the write side ends now, and what still arrives is dropped for a while.
        """
        self._closes = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    # Feeding the parser.

    def _is_busy(self) -> bool:
        """Whether a complete request is being answered."""
        return self._call is not None and not self._call.is_receiving

    def _take(self, data: bytes) -> None:
        if self._closes:
            return
        is_between = self._is_between
        if is_between and self._repeated is not None and self._owner == _CALL:
            body = self._repeated.body_of(data)
            if body is not None:
                self._repeat_call(self._repeated.heading, body)
                return
        if self._is_in_head:
            self._head_bytes += len(data)
        self._feed(data)
        if self._repeatable is not None:
            if is_between and self._is_between:
                self._repeated = RepeatedHead.of(data, self._repeatable)
            self._repeatable = None
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self._closes:
            self._refuse_head()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._owner == _ASGI:
                self._unsupported_upgrade_warning()
            elif self._call is not None and self._call.is_receiving:
                self._call.received()
        except httptools.HttpParserCallbackError:
            # A fault of ours, which httptools wraps: never to be taken for a fault of the client.
            log.exception("a client connection failed")
            self._closes = True
            self.transport.abort()
        except httptools.HttpParserError:
            self._closes = True
            if self._call is None:
                self.send_400_response("Invalid HTTP request received.")
            elif self._call.is_receiving:
                self._call.abandon("invalid_request", "The request is not valid HTTP/1.1.")

    def _hold(self, data: bytes) -> None:
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD_BYTES:
            self.transport.close()
            return
        self._held.append(data)

    def _release(self) -> None:
        """Take up what was held back, up to the end of the next request."""
        while self._held and not self._is_busy() and not self.transport.is_closing():
            data = self._held.popleft()
            self._held_bytes -= len(data)
            self._take(data)

    def _refuse_head(self) -> None:
        self._closes = True
        body = f"The request head is larger than {MAX_HEAD_BYTES} bytes.".encode("ascii")
        answer = Answer(self.transport, http10=False, keep_alive=False)
        answer.whole(431, ((b"content-type", b"text/plain; charset=utf-8"),), body)
        self.transport.close()


def protocol_class(bound: Gateway) -> type[GatewayProtocol]:
    """The protocol class for one worker, for uvicorn's ``http`` setting."""

    class BoundProtocol(GatewayProtocol):
        gateway = bound

    return BoundProtocol


def _expects_continue(own: dict[bytes, bytes]) -> bool:
    return own.get(b"expect", b"").lower() == b"100-continue"
