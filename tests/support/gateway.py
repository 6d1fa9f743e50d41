"""A gateway worker inside the test process: real sockets, real pipeline, rows kept in a list instead of a spool."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Self

import uvicorn
import uvloop

from bursar.clock import SystemClock
from bursar.config import parse_config
from bursar.console.admin import AdminToken
from bursar.console.app import create_app
from bursar.errors import LedgerUnavailable
from bursar.events import Opened, Record, Settled
from bursar.gateway.protocol import protocol_class
from bursar.gateway.state import Gateway
from bursar.ledger.client import AsyncLedgerClient
from bursar.upstream import UpstreamClient
from bursar.wiring.build import build_snapshot, client_settings
from bursar.wiring.control import ControlLink
from bursar.wiring.counting import open_counters

ADMIN_TOKEN = "bsa-test"


class MemoryRecorder:
    """Keeps records; can play a full disk."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_full = False
        self.pending = 0
        self._changed = threading.Condition()

    def append(self, record: Record) -> None:
        if self.is_full and isinstance(record, Opened):
            raise LedgerUnavailable("the disk is full")
        with self._changed:
            self.records.append(record)
            self._changed.notify_all()

    @property
    def settled(self) -> list[Settled]:
        return [record for record in self.records if isinstance(record, Settled)]

    @property
    def opened(self) -> list[Opened]:
        return [record for record in self.records if isinstance(record, Opened)]

    def wait(self, settled: int, timeout: float = 20) -> list[Settled]:
        """Wait until so many attempts are settled."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.settled) >= settled, timeout):
                raise TimeoutError(f"{len(self.settled)} of {settled} attempts settled in {timeout} s")
            return self.settled


class GatewayThread:
    """Runs one gateway worker on uvloop in a thread; a context manager."""

    def __init__(self, config: str, folder: Path, *, environ: dict[str, str] | None = None, sweep_s: float = 0.05):
        self.config = parse_config(config, source="test")
        self.recorder = MemoryRecorder()
        self.sweep_s = sweep_s
        self._folder = folder
        self._environ = environ or {}
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(30)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop)
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until(self, condition, timeout: float = 20) -> None:
        """Wait until a condition on the gateway's state holds."""
        for _ in range(int(timeout / 0.01)):
            if condition():
                return
            threading.Event().wait(0.01)
        raise TimeoutError(f"the condition did not hold within {timeout} s")

    def call(self, function, *arguments):
        """Run a function on the gateway's loop and return its result."""

        async def run():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def _stop(self) -> None:
        self._server.should_exit = True

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        except BaseException as failure:
            self._failure = failure
            self._ready.set()
            raise

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        clock = SystemClock()
        self.control = ControlLink(self.config, self._folder, clock)
        snapshot = build_snapshot(
            self.config,
            data_dir=self._folder,
            environ=self._environ,
            clock=clock,
            simulator_url=None,
            control=self.control,
        )
        client = UpstreamClient(self.loop, client_settings(self.config))
        self.gateway = Gateway(
            worker="w1-test",
            snapshot=snapshot,
            recorder=self.recorder,
            client=client,
            counters=open_counters(
                self.config,
                self._folder,
                worker="w1-test",
                began_us=clock.now_us(),
                environ=self._environ,
                clock=clock,
                loop=self.loop,
            ),
            clock=clock,
            loop=self.loop,
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
        app = create_app(
            gateway=self.gateway,
            ledger=AsyncLedgerClient(self._folder),
            control=self.control.state,
            admin=AdminToken(ADMIN_TOKEN.encode()),
            data_dir=self._folder,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=protocol_class(self.gateway),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        sweeper = self.loop.create_task(self._sweep())
        self._ready.set()
        try:
            await self._server.serve(sockets=[listener])
        finally:
            sweeper.cancel()
            await self.gateway.drain(0)
            await client.aclose()
            self.control.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.sweep_s)
            self.gateway.sweep()
            await self.control.poll()
