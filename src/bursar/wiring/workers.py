"""A worker's process as its supervisor holds it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from bursar.wiring.worker import HELD_SIGNALS, READY, Orders

STOP_S: Final = 5.0
"""How long workers may take to end when their supervisor fails."""


class WorkerProcess:
    """A running worker, whose standard input ends with the process that started it.

    `life` is its standard output: it becomes readable when the worker is ready, and ends when the worker does.
    """

    def __init__(self, command: Sequence[str], *, told: bytes, inherits: Sequence[int] = ()) -> None:
        """``told`` is written to its standard input; ``inherits`` are descriptors that it is given.

        Raises OSError when it cannot be started.
        """
        # What is blocked here stays blocked in the child until it can tell these signals apart.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        try:
            self._process: Final = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, pass_fds=inherits
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the worker's pipes were not opened")
        self._stdin: Final = stdin
        self.life: Final = stdout
        try:
            stdin.write(told)
        except BrokenPipeError:
            pass  # It has ended already, which `life` tells.

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def hear(self) -> bool:
        """Read what `life` has: True when the worker is ready, False when it has ended."""
        return os.read(self.life.fileno(), len(READY)) == READY

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for a worker that ends; returns its exit status, negative for the signal that killed it."""
        status = self._process.wait()
        for pipe in (self._stdin, self.life):
            pipe.close()
        return status

    def stop(self) -> None:
        """Let it stop as if this process had ended, and kill it when it takes longer than `STOP_S`."""
        self._stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.end()


def told_end(status: int) -> str:
    """How a worker ended, in words."""
    if status < 0:
        return f"was killed by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}" if status else "ended"


def start_worker(orders: Orders) -> WorkerProcess:
    """Start a worker with its orders; raises OSError when that fails."""
    return WorkerProcess(
        [sys.executable, "-m", "bursar.wiring.worker", f"w{orders.number}"],
        told=msgspec.json.encode(orders) + b"\n",
        inherits=(orders.listener, *orders.board.values()),
    )
