"""`bursar serve`: one gateway worker in this process, the ledger and, where needed, the simulated provider as children.

The ledger lives in a process of its own so that its queries never delay a call. Children hold the read end of a pipe
of ours: when this process is killed, even with SIGKILL, the pipe ends and they stop.
"""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from msgspec import Struct

from bursar.clock import Clock, SystemClock
from bursar.config import Config
from bursar.console.app import create_app
from bursar.errors import ConfigError
from bursar.gateway.protocol import protocol_class
from bursar.gateway.state import Gateway, Snapshot
from bursar.gateway.tasks import TaskGroup
from bursar.ledger.client import AsyncLedgerClient
from bursar.ledger.layout import Layout
from bursar.ledger.spool import Spool
from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from bursar.upstream import UpstreamClient
from bursar.wiring.aws import REFRESH_S, BedrockSigner
from bursar.wiring.banner import banner
from bursar.wiring.build import build_snapshot, client_settings, needs_simulator
from bursar.wiring.keeper import LedgerKeeper
from bursar.wiring.reload import Reloader

log = logging.getLogger("bursar.serve")

SWEEP_S: Final = 1.0
"""How often deadlines of connections and calls are checked; timeouts are exact to this."""

_BACKLOG: Final = 2048

_GC_THRESHOLD: Final = 20_000
"""Objects made, less those freed, between two collections; Python's 700 has the collector walk all open streams some
thousand times a second for nothing, since calls leave no cycles behind."""


class ServeOptions(Struct, frozen=True):
    """What the command line decides."""

    read: Callable[[], Config]
    """Reads the configuration, the command line's settings on top; called again for every reload."""
    config_path: Path | None
    data_dir: Path
    environ: Mapping[str, str]
    simulator: SimulatorSettings
    is_quiet: bool = False


class GatewayServer(uvicorn.Server):
    """uvicorn, with the gateway's way of shutting down: answers in flight finish first, the late ones are cut."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a wish to stop; a second one cuts what is still in flight.

        uvicorn would raise the signal again when it is done, which would end the process before the spool is closed.
        """
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for one in signals:
            loop.add_signal_handler(one, self._stop)
        try:
            yield
        finally:
            for one in signals:
                loop.remove_signal_handler(one)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        if self.force_exit:
            self._gateway.cut("the gateway was told to stop at once")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, drain, cut what is late, then close the rest."""
        for server in self.servers:
            server.close()
        grace_s = 0.0 if self.force_exit else self._gateway.snapshot.config.server.shutdown_grace_s
        cut = await self._gateway.drain(grace_s)
        if cut:
            log.warning("%d calls were cut after %g s and recorded as cut", cut, grace_s)
        await super().shutdown(sockets)


def serve(options: ServeOptions) -> None:
    """Run until SIGINT or SIGTERM; raises ConfigError when the configuration or the address cannot be used."""
    config = options.read()
    clock = SystemClock()
    layout = Layout(options.data_dir)
    with ExitStack() as parts:
        listener = parts.enter_context(_listen(config.server.host, config.server.port))
        simulator_url = None
        if needs_simulator(config):
            simulator_url = parts.enter_context(SimulatorProcess(options.simulator)).base_url
        snapshot = build_snapshot(
            config,
            data_dir=options.data_dir,
            environ=options.environ,
            clock=clock,
            simulator_url=simulator_url,
        )
        keeper = LedgerKeeper(options.data_dir, config.ledger)
        parts.callback(keeper.stop)
        spool = parts.enter_context(Spool(layout.spool, "gateway", max_bytes=config.ledger.spool_bytes))
        uvloop.run(_run(options, snapshot, listener=listener, spool=spool, simulator_url=simulator_url, clock=clock))


async def _run(
    options: ServeOptions,
    snapshot: Snapshot,
    *,
    listener: socket.socket,
    spool: Spool,
    simulator_url: str | None,
    clock: Clock,
) -> None:
    loop = asyncio.get_running_loop()
    client = UpstreamClient(loop, client_settings(snapshot.config))
    gateway = Gateway(snapshot=snapshot, recorder=spool, client=client, clock=clock, loop=loop)
    app = create_app(gateway=gateway, ledger=AsyncLedgerClient(options.data_dir), data_dir=options.data_dir)
    server = GatewayServer(_server_config(app, gateway), gateway)
    tasks = TaskGroup()
    tasks.spawn(_sweep(gateway), name="sweep")
    tasks.spawn(_renew_credentials(gateway), name="credentials")
    reloader = Reloader(options, gateway, simulator_url=simulator_url)
    tasks.spawn(reloader.watch(), name="reload")
    loop.add_signal_handler(signal.SIGHUP, reloader.poke)
    if not options.is_quiet:
        log.info("%s", banner(snapshot, port=listener.getsockname()[1], path=options.config_path))
    _spare_the_collector()
    try:
        await server.serve(sockets=[listener])
    finally:
        await tasks.cancel()
        await client.aclose()


def _spare_the_collector() -> None:
    """What start-up made (code, configuration, price cards) lives as long as the process: never look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def _server_config(app: object, gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # a Starlette application
        http=protocol_class(gateway),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=2,
    )


async def _renew_credentials(gateway: Gateway) -> None:
    """Ask the AWS credential chain again, off the event loop, so that no call waits for a metadata service."""
    while True:
        await asyncio.sleep(REFRESH_S)
        for target in gateway.snapshot.routes.named.values():
            if isinstance(target.sign, BedrockSigner):
                try:
                    await asyncio.to_thread(target.sign.refresh)
                except ConfigError as failed:
                    log.error("provider %s keeps its old credentials: %s", target.name, failed)  # noqa: TRY400


async def _sweep(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        gateway.sweep()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as taken:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {taken.strerror}; stop what uses it or give another --port"
        ) from None
