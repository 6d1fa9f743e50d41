"""Run a simulated provider: as this process, or as a child that dies with its parent.

A child reads its settings as one line of JSON from standard input, prints ``{"port": N}`` on standard output once it
listens, and stops when standard input ends, which the kernel sees to if the parent is killed. SIGTERM and SIGINT let
answers in flight finish.
"""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

import msgspec
import uvicorn
import uvloop
from msgspec import Struct

from bursar.simulator.app import Simulator, create_app
from bursar.simulator.protocol import LineProtocol
from bursar.simulator.settings import SimulatorSettings

_GRACE_S: Final = 5
_BACKLOG: Final = 2048


class Listening(Struct, frozen=True):
    """What a child prints when it is ready."""

    port: int


def serve_simulator(
    settings: SimulatorSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    announce: Callable[[int], None] = lambda _: None,
    parent_fd: int | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until ``parent_fd`` (the read end of a pipe) reaches its end.

    ``port`` 0 takes a free one; ``announce`` is called with the port once connections are accepted.
    """
    listener = socket.create_server((host, port), backlog=_BACKLOG)
    with listener:
        uvloop.run(_serve(settings, listener, announce, parent_fd))


async def _serve(
    settings: SimulatorSettings, listener: socket.socket, announce: Callable[[int], None], parent_fd: int | None
) -> None:
    server = QuietServer(server_config(create_app(settings)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if parent_fd is not None:
        loop.add_reader(parent_fd, _parent_died, server, loop, parent_fd)
    announce(listener.getsockname()[1])
    await server.serve(sockets=[listener])


def server_config(app: Simulator) -> uvicorn.Config:
    """How uvicorn serves a simulator, in this process or in a test's thread."""
    return uvicorn.Config(
        app,
        http=LineProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=_GRACE_S,
    )


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handling, which raises the signal anew once the server has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Let answers in flight finish, then end."""
        self.should_exit = True


def _parent_died(server: QuietServer, loop: asyncio.AbstractEventLoop, parent_fd: int) -> None:
    loop.remove_reader(parent_fd)
    server.stop()


class SimulatorProcess:
    """A simulated provider in a child process; a context manager that stops it."""

    def __init__(self, settings: SimulatorSettings) -> None:
        # A session of its own, so that Ctrl-C reaches the parent alone and the end comes in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bursar.simulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the simulator's pipes were not opened")
        stdin.write(msgspec.json.encode(settings) + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"the simulator did not start; exit status {self._process.returncode}")
        self.port = msgspec.json.decode(line, type=Listening).port

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def exit_status(self) -> int | None:
        """How the process ended; ``None`` while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Let answers in flight finish, then end the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_GRACE_S + 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def child_main() -> None:
    """What `python -m bursar.simulator` does."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=SimulatorSettings)

    def announce(port: int) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(Listening(port)) + b"\n")
        sys.stdout.buffer.flush()

    serve_simulator(settings, announce=announce, parent_fd=sys.stdin.fileno())
