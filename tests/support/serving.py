"""`bursar serve` as a process, as a user runs it, with its own data folder."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bursar.clock import SystemClock
from bursar.config import load_config
from bursar.ledger.client import connect
from bursar.ledger.questions import AttemptRow, CandidatesQuestion

CONFIG = """
[server]
port = {port}
workers = {workers}
[relay]
drain_timeout_s = 20
first_byte_timeout_s = {first_byte_timeout_s}
[ledger]
flush_s = 0.5
[[keys]]
name = "e2e"
key = "env:BURSAR_E2E_KEY"
"""


class ServedGateway:
    """A gateway process over one provider address; may be killed and started again on the same data."""

    def __init__(
        self,
        folder: Path,
        provider_url: str,
        *,
        workers: int = 1,
        extra: str = "",
        first_byte_timeout_s: float = 20,
    ) -> None:
        self.port = _free_port()
        self.folder = folder
        self.config = folder / "bursar.toml"
        providers = "".join(
            f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider_url}{base}"\n'
            f'api_key = "env:BURSAR_E2E_PROVIDER"\n{more}'
            for name, base, more in (
                ("openai", "/v1", ""),
                ("anthropic", "", ""),
                ("gemini", "", ""),
                ("bedrock", "", 'region = "us-east-1"\n'),
            )
        )
        self.config.write_text(
            CONFIG.format(port=self.port, workers=workers, first_byte_timeout_s=first_byte_timeout_s)
            + providers
            + extra
        )
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        environ = os.environ | {"BURSAR_E2E_KEY": "vk-e2e", "BURSAR_E2E_PROVIDER": "sk-e2e"}
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bursar.wiring.main", "serve", "--config", str(self.config)],
                env=environ,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not self.is_answering():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start:\n{self.log()}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    def worker_pids(self) -> dict[str, int]:
        """Process id of each worker child, by its place: ``w1`` and so on."""
        found = {}
        for pid in children_of(self.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"bursar.wiring.worker" in command:
                found[command[3].decode()] = pid
        return found

    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")

    def kill(self) -> None:
        """Kill it without warning; its workers, which notice, end before this returns and leave their port."""
        workers = self.worker_pids().values()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        self.until(lambda: not any(is_running(pid) for pid in workers), "the end of its workers")

    def kill_worker(self, name: str) -> None:
        """Kill one worker child without warning."""
        os.kill(self.worker_pids()[name], signal.SIGKILL)

    def stop(self) -> int:
        """Stop it as an init system does; returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(90)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; returns its exit status."""
        return self._process.wait(90)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer to GET, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds, for two minutes."""
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not happen:\n{self.log()}")
            time.sleep(0.02)

    def rows(self) -> list[AttemptRow]:
        """Every attempt's present row."""
        config = load_config(self.config)
        client = connect(self.folder / "bursar-data", config.ledger, clock=SystemClock(), wait_s=30)
        rows: list[AttemptRow] = []
        try:
            after = None
            while page := client.ask(CandidatesQuestion(after=after, limit=5000)).rows:
                rows += page
                after = (page[-1].at_us, page[-1].call_id, page[-1].attempt)
        finally:
            client.close()
        return rows

    def is_answering(self) -> bool:
        """Whether it accepts connections and answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
                return b"200" in connection.recv(64)
        except OSError:
            return False


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children, those that its threads started included."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _read(task / "children").split()]


def is_running(pid: int) -> bool:
    """Whether a process of this id is there and is no zombie."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] not in ([], ["Z"])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
