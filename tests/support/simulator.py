"""A simulated provider on a loopback port, in a thread of the test process, with its account at hand."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from bursar.simulator.account import Account, Entry
from bursar.simulator.app import Simulator, create_app
from bursar.simulator.serve import QuietServer, server_config
from bursar.simulator.settings import SimulatorSettings


class RunningSimulator:
    """A simulated provider that answers; `entries` waits until the account is as long as the caller expects."""

    def __init__(self, app: Simulator, port: int) -> None:
        self.app = app
        self.port = port

    @property
    def base_url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def account(self) -> Account:
        """The provider's own books."""
        return self.app.account

    def entries(self, at_least: int = 1) -> list[Entry]:
        """The account, once it holds this many entries: one is written just after the answer's last byte has left."""
        if not self.app.account.wait_for(at_least, timeout_s=10):
            raise AssertionError(f"expected {at_least} entries, the account has {len(self.app.account.entries())}")
        return self.app.account.entries()

    def last(self, count: int = 1) -> Entry:
        """The newest entry, once there are ``count``."""
        return self.entries(count)[-1]


@contextmanager
def simulator(settings: SimulatorSettings | None = None) -> Iterator[RunningSimulator]:
    """Serve a simulator (without latency unless told otherwise) for the time of a ``with`` block."""
    app = create_app(settings or SimulatorSettings(latency_scale=0))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = QuietServer(server_config(app))
        thread = threading.Thread(target=_serve, args=(server, listener), name="simulator")
        thread.start()
        try:
            yield RunningSimulator(app, listener.getsockname()[1])
        finally:
            server.stop()
            thread.join(15)


def _serve(server: QuietServer, listener: socket.socket) -> None:
    uvloop.run(server.serve(sockets=[listener]))
