"""uvicorn, with the gateway's way of starting and stopping."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn

from bursar.gateway.protocol import protocol_class
from bursar.gateway.state import Gateway
from bursar.wiring.listen import BACKLOG

log = logging.getLogger("bursar.serve")


class GatewayServer(uvicorn.Server):
    """Serves one worker's gateway. On its way out answers in flight finish first, and the late ones are cut."""

    def __init__(
        self, app: object, gateway: Gateway, *, stops: Sequence[signal.Signals], on_started: Callable[[], None]
    ) -> None:
        """``stops`` are the signals that mean "stop"; ``on_started`` is called once connections are accepted."""
        super().__init__(_config(app, gateway))
        self._gateway: Final = gateway
        self._stops: Final = stops
        self._on_started: Final = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take a signal as a wish to stop; a second one cuts what is still in flight.

        uvicorn would raise the signal again when it is done, which would end the process before the spool is closed.
        """
        loop = asyncio.get_running_loop()
        for one in self._stops:
            loop.add_signal_handler(one, self._told)
        try:
            yield
        finally:
            for one in self._stops:
                loop.remove_signal_handler(one)

    def stop(self) -> None:
        """Stop once answers in flight are complete."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and say so."""
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, drain, cut what is late, then close the rest."""
        for server in self.servers:
            server.close()
        grace_s = 0.0 if self.force_exit else self._gateway.snapshot.config.server.shutdown_grace_s
        cut = await self._gateway.drain(grace_s)
        if cut:
            log.warning("%d calls were cut after %g s and recorded as cut", cut, grace_s)
        await super().shutdown(sockets)

    def _told(self) -> None:
        self.force_exit = self.should_exit
        self.stop()
        if self.force_exit:
            self._gateway.cut("the gateway was told to stop at once")


def _config(app: object, gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # a Starlette application
        http=protocol_class(gateway),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=2,
    )
