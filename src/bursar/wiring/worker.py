"""One gateway worker: an event loop with its own upstream client, its own spool, its own snapshot.

It runs in the process of `bursar serve`, or, where several share the port, as a child of the supervisor
(``python -m bursar.wiring.worker``). A child reads its `Orders` as one line of JSON from standard input, prints
``ready`` on standard output once it accepts connections, and stops when standard input ends, which the kernel sees to
if the supervisor is killed. It leaves Ctrl-C, which a terminal sends to the whole group, to the supervisor.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from bursar.clock import Clock, SystemClock
from bursar.console.admin import AdminToken
from bursar.console.app import create_app
from bursar.console.fleet import Fleet
from bursar.errors import ConfigError, ControlUnavailable
from bursar.gateway.state import Gateway, Snapshot
from bursar.gateway.tasks import TaskGroup
from bursar.ledger.client import AsyncLedgerClient, SocketClient
from bursar.ledger.layout import Layout
from bursar.ledger.spool import Spool
from bursar.upstream import UpstreamClient
from bursar.wiring.admin import admin_token
from bursar.wiring.alerting import Alerting
from bursar.wiring.aws import REFRESH_S, BedrockSigner
from bursar.wiring.board import POST_S, Board, PostedFleet
from bursar.wiring.build import build_snapshot, client_settings
from bursar.wiring.control import ControlLink
from bursar.wiring.counted import COUNTED_FILE, Counted
from bursar.wiring.counting import keep_beating, open_counters, store_of
from bursar.wiring.environment import Overrides, os_environ
from bursar.wiring.following import Follower
from bursar.wiring.options import ServeOptions
from bursar.wiring.reload import Reloader
from bursar.wiring.seeding import Seeder, Seeding
from bursar.wiring.server import GatewayServer

log = logging.getLogger("bursar.serve")

SWEEP_S: Final = 1.0
"""How often deadlines of connections and calls are checked; timeouts are exact to this."""

READY: Final = b"ready\n"

_GC_THRESHOLD: Final = 20_000
"""Objects made, less those freed, between two collections; Python's 700 has the collector walk all open streams some
thousand times a second for nothing, since calls leave no cycles behind."""

UNUSABLE: Final = 2
"""Exit status of a child that cannot work with its configuration."""

HELD_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGHUP})
"""Blocked while a child starts: they would end it before it can tell them from an order to stop."""


class Orders(Struct, frozen=True):
    """What the supervisor tells a child."""

    number: int
    path: str | None
    config_path: str | None
    data_dir: str
    overrides: Overrides
    simulator_url: str | None
    began_us: int
    """When the counters were empty."""
    listener: int
    """Descriptor of its socket."""
    board: dict[int, int]
    """Descriptors of the board's places."""


class Parts(Struct, frozen=True, kw_only=True):
    """What a worker is made of before its event loop runs."""

    options: ServeOptions
    snapshot: Snapshot
    control: ControlLink
    listener: socket.socket
    spool: Spool
    clock: Clock
    began_us: int
    """When the counters were empty."""
    simulator_url: str | None
    stops: tuple[signal.Signals, ...]
    """Signals that mean "stop"."""
    on_started: Callable[[], None]
    board: Board | None = None
    """Where several workers share the port."""
    number: int = 1
    supervisor_fd: int | None = None
    """A pipe that ends with the supervisor."""


def run_worker(parts: Parts) -> None:
    """Serve until told to stop."""
    _spare_the_collector()
    try:
        uvloop.run(_run(parts))
    finally:
        gc.unfreeze()


def _spare_the_collector() -> None:
    """What start-up made (code, configuration, price cards) lives as long as the process: never look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


async def _run(parts: Parts) -> None:
    loop = asyncio.get_running_loop()
    options, snapshot = parts.options, parts.snapshot
    client = UpstreamClient(loop, client_settings(snapshot.config))
    gateway = Gateway(
        worker=parts.spool.worker,
        snapshot=snapshot,
        recorder=parts.spool,
        client=client,
        counters=open_counters(
            snapshot.config,
            options.data_dir,
            worker=parts.spool.worker,
            began_us=parts.began_us,
            environ=options.environ,
            clock=parts.clock,
            loop=loop,
        ),
        clock=parts.clock,
        loop=loop,
    )
    tasks = TaskGroup()
    posted = PostedFleet(parts.board, parts.number, gateway) if parts.board is not None else None
    app = _app(gateway, parts, posted)
    server = GatewayServer(app, gateway, stops=parts.stops, on_started=parts.on_started)
    seeding = _seeding(gateway, parts)
    reloader = Reloader(
        options, gateway, parts.control, simulator_url=parts.simulator_url, around=partial(_changing, seeding, loop)
    )
    loop.add_signal_handler(signal.SIGHUP, reloader.poke)
    if parts.supervisor_fd is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
        loop.add_reader(parts.supervisor_fd, _supervisor_ended, server, loop, parts.supervisor_fd)
    tasks.spawn(_sweep(gateway), name="sweep")
    lease_s = snapshot.config.counters.lease_s
    tasks.spawn(keep_beating(gateway.counters, lease_s=lease_s, clock=parts.clock), name="beat")
    tasks.spawn(_renew_credentials(gateway), name="credentials")
    tasks.spawn(reloader.watch(), name="reload")
    tasks.spawn(seeding.run(), name="seed")
    alerting = _alerting(gateway, parts)
    alerting.start(tasks, is_first=parts.number == 1)
    if posted is not None:
        tasks.spawn(_post(posted), name="post")
    try:
        await server.serve(sockets=[parts.listener])
    finally:
        await tasks.cancel()
        await alerting.finish()
        await client.aclose()
        gateway.counters.close()
        if posted is not None:
            posted.post()


def _seeding(gateway: Gateway, parts: Parts) -> Seeding:
    if parts.number != 1:
        return Follower(gateway)
    data_dir = parts.options.data_dir
    is_shared = store_of(gateway.snapshot.config) != "memory"
    counted = Counted(parts.began_us, data_dir / COUNTED_FILE if is_shared else None)
    return Seeder(gateway, SocketClient(data_dir), counted)


@contextmanager
def _changing(seeding: Seeding, loop: asyncio.AbstractEventLoop, snapshot: Snapshot) -> Iterator[None]:
    """Around the moment in which a snapshot comes into force, in a thread."""
    asyncio.run_coroutine_threadsafe(seeding.prepare(snapshot), loop).result()
    yield
    loop.call_soon_threadsafe(seeding.changed)


def _alerting(gateway: Gateway, parts: Parts) -> Alerting:
    control = parts.control
    probes = {"counters": lambda: gateway.counters.trouble, "control state": lambda: control.keys.trouble}
    return Alerting(gateway, control.state, AsyncLedgerClient(parts.options.data_dir), probes=probes)


def _app(gateway: Gateway, parts: Parts, fleet: Fleet | None) -> object:
    data_dir = parts.options.data_dir
    return create_app(
        gateway=gateway,
        ledger=AsyncLedgerClient(data_dir),
        control=parts.control.state,
        admin=AdminToken(admin_token(data_dir).token.encode("ascii")),
        data_dir=data_dir,
        fleet=fleet,
    )


def _supervisor_ended(server: GatewayServer, loop: asyncio.AbstractEventLoop, supervisor_fd: int) -> None:
    loop.remove_reader(supervisor_fd)
    server.stop()


async def _post(fleet: PostedFleet) -> None:
    while True:
        fleet.post()
        await asyncio.sleep(POST_S)


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


def child_main() -> int:
    """What `python -m bursar.wiring.worker` does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    logging.basicConfig(level=logging.INFO, format=f"[w{orders.number}] %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # One banner is enough; the supervisor prints it.
    try:
        _run_child(orders)
    except (ConfigError, ControlUnavailable) as wrong:
        log.error("this worker cannot start: %s", wrong)  # noqa: TRY400 - no trace
        return UNUSABLE
    return 0


def _run_child(orders: Orders) -> None:
    clock = SystemClock()
    options = ServeOptions(
        path=Path(orders.path) if orders.path is not None else None,
        config_path=Path(orders.config_path) if orders.config_path is not None else None,
        data_dir=Path(orders.data_dir),
        environ=os_environ(),
        overrides=orders.overrides,
    )
    config = options.read()
    control = ControlLink(config, options.data_dir, clock)
    snapshot = build_snapshot(
        config,
        data_dir=options.data_dir,
        environ=options.environ,
        clock=clock,
        simulator_url=orders.simulator_url,
        control=control,
    )
    listener = socket.socket(fileno=orders.listener)
    spool = Spool(Layout(options.data_dir).spool, f"w{orders.number}", max_bytes=config.ledger.spool_bytes)
    with listener, spool, closing(control):
        run_worker(
            Parts(
                options=options,
                snapshot=snapshot,
                control=control,
                listener=listener,
                spool=spool,
                clock=clock,
                began_us=orders.began_us,
                simulator_url=orders.simulator_url,
                stops=(signal.SIGTERM,),
                on_started=lambda: _say_ready(sys.stdout.fileno()),
                board=Board(orders.board),
                number=orders.number,
                supervisor_fd=sys.stdin.fileno(),
            )
        )


def _say_ready(descriptor: int) -> None:
    os.write(descriptor, READY)


if __name__ == "__main__":
    sys.exit(child_main())
