"""The caller's hold on one request and its answer, from `send` until the one callback that ends it."""

from typing import Protocol

from bursar.upstream.model import Failure, FailureKind, ResponseHandler, UpstreamRequest


class Carrier(Protocol):
    """What holds an exchange at the moment: first the search for a connection, then the connection."""

    def drop(self) -> None:
        """The exchange was cancelled: let go of it, without telling its handler."""
        ...

    def pause(self) -> None:
        """Stop reading the answer."""
        ...

    def resume(self) -> None:
        """Read the answer again."""
        ...


class Exchange:
    """One request in progress; returned by `UpstreamClient.send`."""

    __slots__ = ("carrier", "handler", "head", "is_paused", "request")

    def __init__(self, request: UpstreamRequest, handler: ResponseHandler) -> None:
        self.request = request
        self.handler: ResponseHandler | None = handler
        """``None`` once the exchange is over, so that no callback can follow the last."""
        self.head = b""
        """The encoded request head."""
        self.carrier: Carrier | None = None
        self.is_paused = False

    def pause(self) -> None:
        """Stop reading from the provider, and its timeouts with it; bytes already read are still delivered."""
        if not self.is_paused:
            self.is_paused = True
            if self.carrier is not None:
                self.carrier.pause()

    def resume(self) -> None:
        """Read from the provider again; its timeouts start anew."""
        if self.is_paused:
            self.is_paused = False
            if self.carrier is not None:
                self.carrier.resume()

    def cancel(self) -> None:
        """End the exchange without a further callback, and close its connection unless the answer was complete."""
        carrier = self.carrier
        self._end()
        if carrier is not None:
            carrier.drop()

    def complete(self) -> None:
        """The answer is complete."""
        handler = self._end()
        if handler is not None:
            handler.on_complete()

    def fail(self, failure: Failure) -> None:
        """There will be no complete answer; ignored when the exchange is over."""
        handler = self._end()
        if handler is not None:
            handler.on_failure(failure)

    def fail_unsent(self, kind: FailureKind, message: str) -> None:
        """Fail before any byte was sent."""
        self.fail(Failure(kind, message, sent=False, response_started=False, body_bytes=0))

    def _end(self) -> ResponseHandler | None:
        handler = self.handler
        self.handler = None
        self.carrier = None
        return handler
