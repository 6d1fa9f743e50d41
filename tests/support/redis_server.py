"""A Redis server of the tests' own, on a Unix socket; it can be killed, stopped, and started again."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from support.client_tools import need_command

STARTED_S = 20


class RedisServer:
    """One server process at a time, in a folder of its own; keeps nothing on disk unless ``is_durable``."""

    def __init__(self, *, password: str | None = None, is_durable: bool = False) -> None:
        self._command = need_command("redis-server")
        self._folder = tempfile.TemporaryDirectory(prefix="bursar-redis-")
        self.path = Path(self._folder.name) / "redis.sock"
        self._options = {
            "--port": "0",
            "--unixsocket": str(self.path),
            "--dir": self._folder.name,
            "--save": "",
            "--appendonly": "yes" if is_durable else "no",
            "--appendfsync": "always",
            **({} if password is None else {"--requirepass": password}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        words = [word for option in self._options.items() for word in option]
        self.process = subprocess.Popen((self._command, *words), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTED_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command} did not start")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Have it take what is sent and answer nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def call(self, *words: str) -> bytes:
        """Send a command, inline; returns the first bytes of the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(STARTED_S)
            connection.connect(str(self.path))
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65536)

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    def _answers(self) -> bool:
        try:
            return self.call("PING")[:1] in (b"+", b"-")
        except OSError:
            return False
