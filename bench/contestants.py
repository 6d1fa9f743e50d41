"""Who is measured: each contestant starts in front of one provider and says which port to load with which headers."""

import os
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from measure import command_of, cpu_ns, descendants
from payloads import MODEL
from processes import Child, free_port, script

Headers = tuple[tuple[str, str], ...]

_VIRTUAL_KEY: Final = "vk-bench-0123456789abcdef0123456789abcdef"
_PROVIDER_KEY: Final = "sk-bench-0123456789abcdef0123456789abcdef"
_BEARER: Final[Headers] = (("authorization", f"Bearer {_PROVIDER_KEY}"),)
_QUIET_S: Final = 2.5
"""Longer than the ledger's `flush_s`."""
_QUIET_NS: Final = 15_000_000
_LONGEST_SETTLING: Final = 20
WORKER_MODULE: Final = "bursar.wiring.worker"
"""What a worker that shares the port runs; without one, the gateway serves in its main process."""
_CHAT: Final = "/v1/chat/completions"


class Provider(msgspec.Struct, frozen=True):
    """The provider behind all contestants of one group."""

    port: int
    ca: Path | None
    """Authority of its certificate; ``None`` when it speaks plain HTTP."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.ca else f"http://127.0.0.1:{self.port}"


class Contestant(ABC):
    """Something that carries a request to the provider and its answer back."""

    name: str
    is_slow = False
    """Costs so much more than the rest that it is given fewer requests."""

    def __init__(self) -> None:
        self.port = 0
        self.path = _CHAT
        self.headers: Headers = _BEARER
        self.child: Child | None = None

    @property
    def asked_for_as(self) -> str:
        """What ``--with`` calls it."""
        return self.name

    @abstractmethod
    def missing(self, provider: Provider) -> str | None:
        """Why it cannot take part; ``None`` when it can."""

    @abstractmethod
    def start(self, provider: Provider, folder: Path) -> None:
        """Start it; its files go to ``folder``."""

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def pid(self) -> int:
        """Its main process; raises ValueError before it was started."""
        if self.child is None:
            raise ValueError(f"{self.name} is not running")
        return self.child.pid

    def cpu(self) -> tuple[int, int]:
        """Nanoseconds of CPU so far: on the request's path, and beside it (a ledger process)."""
        if self.child is None:
            return 0, 0
        return sum(cpu_ns(pid) for pid in (self.child.pid, *descendants(self.child.pid))), 0

    def settle(self) -> int:
        """Wait until work that it does after its answers is over; the CPU this took, beside the path."""
        return 0


class Direct(Contestant):
    """The provider itself: what remains when there is nothing between."""

    name = "direct"

    def missing(self, provider: Provider) -> str | None:
        return "the load generator speaks plain HTTP only" if provider.ca else None

    def start(self, provider: Provider, folder: Path) -> None:
        self.port = provider.port


class BareRelay(Contestant):
    """`bare_relay.py`: the floor."""

    name = "bare relay"

    def missing(self, provider: Provider) -> str | None:
        return None

    def start(self, provider: Provider, folder: Path) -> None:
        trust = ("--ca", str(provider.ca)) if provider.ca else ()
        self.child, self.port = script("bare_relay.py", provider.url, *trust, log=folder / "bare_relay.log")


class Bursar(Contestant):
    """`bursar serve` with everything on: virtual key, required tags, prices, spool, ledger process."""

    def __init__(self, workers: int = 1) -> None:
        super().__init__()
        self.workers = workers
        self.name = "Bursar" if workers == 1 else f"Bursar x{workers}"

    @property
    def asked_for_as(self) -> str:
        return "Bursar"

    def missing(self, provider: Provider) -> str | None:
        return None

    def start(self, provider: Provider, folder: Path) -> None:
        self.port = free_port()
        trust = f'[relay]\nca_file = "{provider.ca}"\n' if provider.ca else ""
        config = folder / f"bursar-{self.workers}.toml"
        config.write_text(
            f'[server]\nport = {self.port}\nworkers = {self.workers}\ndata_dir = "data-{self.workers}"\n{trust}'
            f'[[providers]]\nname = "openai"\ndialect = "openai"\nbase_url = "{provider.url}/v1"\n'
            'api_key = "env:BENCH_PROVIDER_KEY"\n'
            '[[keys]]\nname = "bench"\nkey = "env:BENCH_VIRTUAL_KEY"\norganisation = "example"\n'
            '[tags]\nrequired = ["team", "feature"]\non_missing = "reject"\n'
        )
        self.headers = (("authorization", f"Bearer {_VIRTUAL_KEY}"),)
        self.child = Child(
            [sys.executable, "-m", "bursar.wiring.main", "serve", "--config", str(config)],
            log=folder / f"bursar-{self.workers}.log",
            environ={"BENCH_PROVIDER_KEY": _PROVIDER_KEY, "BENCH_VIRTUAL_KEY": _VIRTUAL_KEY},
        )
        self.child.wait_for_port(self.port, within_s=30)

    def cpu(self) -> tuple[int, int]:
        if self.child is None:
            return 0, 0
        below = descendants(self.child.pid)
        workers = [pid for pid in below if WORKER_MODULE in command_of(pid)]
        beside = [pid for pid in below if pid not in workers]
        return sum(map(cpu_ns, (self.child.pid, *workers))), sum(map(cpu_ns, beside))

    def settle(self) -> int:
        """The ledger loads rows in batches, later: it is waited for, and what it takes counts as its own."""
        start = before = self.cpu()[1]
        for _ in range(_LONGEST_SETTLING):
            time.sleep(_QUIET_S)
            after = self.cpu()[1]
            if after - before < _QUIET_NS:
                return after - start
            before = after
        raise RuntimeError(f"the ledger is still busy {_QUIET_S * _LONGEST_SETTLING:g} s after the last answer")


class Nginx(Contestant):
    """`proxy_pass` with pooled upstream connections and no buffering, one worker."""

    name = "nginx"

    def __init__(self) -> None:
        super().__init__()
        self.binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def missing(self, provider: Provider) -> str | None:
        return None if self.binary else "nginx is neither on PATH nor in /usr/sbin (apt-get install nginx-light)"

    def start(self, provider: Provider, folder: Path) -> None:
        self.port = free_port()
        config = folder / "nginx.conf"
        config.write_text(_nginx_config(self.port, provider, folder))
        self.child = Child([str(self.binary), "-p", str(folder), "-c", str(config)], log=folder / "nginx.log")
        self.child.wait_for_port(self.port, within_s=10)


class LiteLLM(Contestant):
    """LiteLLM's proxy without a database: a master key and its own cost reckoning, no durable record."""

    name = "LiteLLM"
    is_slow = True

    def __init__(self) -> None:
        super().__init__()
        self.binary = os.environ.get("LITELLM_BIN") or shutil.which("litellm")

    def missing(self, provider: Provider) -> str | None:
        if provider.ca:
            return "compared on plain HTTP only"
        return None if self.binary else "set LITELLM_BIN to a litellm command (pip install 'litellm[proxy]')"

    def start(self, provider: Provider, folder: Path) -> None:
        self.port = free_port()
        config = folder / "litellm.yaml"
        config.write_text(
            f"model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n"
            f"      api_base: {provider.url}/v1\n      api_key: {_PROVIDER_KEY}\n"
            f"general_settings:\n  master_key: {_PROVIDER_KEY}\n"
        )
        self.child = Child(
            [str(self.binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(self.port)],
            log=folder / "litellm.log",
            environ={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"},
        )
        self.child.wait_for_port(self.port, within_s=120)


class Portkey(Contestant):
    """Portkey's open-source gateway on Node: no keys, no prices, no record."""

    name = "Portkey"
    is_slow = True

    def __init__(self) -> None:
        super().__init__()
        self.node = shutil.which("node")
        self.folder = os.environ.get("PORTKEY_DIR")

    def missing(self, provider: Provider) -> str | None:
        if provider.ca:
            return "compared on plain HTTP only"
        if not self.node:
            return "node is not on PATH"
        if self._server() is None:
            return "set PORTKEY_DIR to a folder in which `npm install @portkey-ai/gateway@1.15.2` was run"
        return None

    def start(self, provider: Provider, folder: Path) -> None:
        self.port = free_port()
        self.headers = (*_BEARER, ("x-portkey-provider", "openai"), ("x-portkey-custom-host", f"{provider.url}/v1"))
        self.child = Child(
            [str(self.node), str(self._server()), f"--port={self.port}", "--headless"],
            log=folder / "portkey.log",
            environ={"NODE_ENV": "production"},
        )
        self.child.wait_for_port(self.port, within_s=60)

    def _server(self) -> Path | None:
        if self.folder is None:
            return None
        built = Path(self.folder) / "node_modules/@portkey-ai/gateway/build/start-server.js"
        return built if built.exists() else None


def contestants(workers: Sequence[int] = (1,)) -> list[Contestant]:
    """All of them, in the order in which they run within a round; Bursar once for each number of workers."""
    return [BareRelay(), *map(Bursar, workers), Nginx(), Direct(), LiteLLM(), Portkey()]


def nginx_version(binary: str) -> str:
    """``nginx/1.22.1``."""
    return subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr.split()[-1]


def _nginx_config(port: int, provider: Provider, folder: Path) -> str:
    tls = ""
    if provider.ca:
        tls = (
            "proxy_ssl_server_name on; proxy_ssl_name localhost; proxy_ssl_verify on;"
            f" proxy_ssl_trusted_certificate {provider.ca};"
        )
    return f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_body_buffer_size 64k;
    keepalive_requests 100000000;
    upstream provider {{ server 127.0.0.1:{provider.port}; keepalive 1024; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass {"https" if provider.ca else "http"}://provider;
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; {tls}
        }}
    }}
}}
"""
