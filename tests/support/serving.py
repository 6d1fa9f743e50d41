"""`bursar serve` as a process, as a user runs it, with its own data folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bursar.clock import SystemClock
from bursar.config import load_config
from bursar.ledger.client import connect
from bursar.ledger.questions import AttemptRow, CandidatesQuestion

CONFIG = """
[server]
port = {port}
[relay]
drain_timeout_s = 20
first_byte_timeout_s = 20
[ledger]
flush_s = 0.5
[[keys]]
name = "e2e"
key = "env:BURSAR_E2E_KEY"
"""


class ServedGateway:
    """A gateway process over one provider address; may be killed and started again on the same data."""

    def __init__(self, folder: Path, provider_url: str, *, extra: str = "") -> None:
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
        self.config.write_text(CONFIG.format(port=self.port) + providers + extra)
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
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start:\n{self.log()}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")

    def kill(self) -> None:
        """Kill it without warning."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> int:
        """Stop it as an init system does; returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(90)

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

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
                return b"200" in connection.recv(64)
        except OSError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
