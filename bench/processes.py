"""Child processes of a benchmark: started, waited for until they serve, and always stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

_HERE: Final = Path(__file__).parent
_STOP_S: Final = 15.0


class Child:
    """A process group of its own, which ends with the ``with`` block; its output goes to ``log``."""

    def __init__(
        self, command: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None, pipes: bool = False
    ) -> None:
        self.log = log
        self.name = log.stem
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else out,
                stderr=out,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def read_line(self) -> str:
        """The next line it prints; raises RuntimeError with its log when it prints no more."""
        line = _open(self._process.stdout).readline()
        if not line:
            self.stop()
            raise RuntimeError(f"{self.name} ended: {self._tail()}")
        return line.strip()

    def say(self, line: str) -> None:
        """Write a line to its input."""
        pipe = _open(self._process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def wait_for_port(self, port: int, *, within_s: float) -> None:
        """Return once it accepts connections; raises RuntimeError with its log when it does not."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError(f"{self.name} does not listen on port {port}: {self._tail()}")

    def stop(self) -> None:
        """End the group, politely first."""
        for stop in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, stop)
            except ProcessLookupError:
                break
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def start_script(name: str, *arguments: str, log: Path) -> Child:
    """Start a script of this folder, with pipes to talk to it."""
    return Child([sys.executable, str(_HERE / name), *arguments], log=log, pipes=True)


def script(name: str, *arguments: str, log: Path) -> tuple[Child, int]:
    """Start a server of this folder and wait for its ``ready PORT``."""
    child = start_script(name, *arguments, log=log)
    return child, int(child.read_line().removeprefix("ready "))


def free_port() -> int:
    """A port that nobody listens on, for servers that cannot choose their own and say which."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _open(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("this child was started without pipes")
    return pipe
