"""Third-party clients in their own environments (`scripts/client-tools`), run as child processes against a gateway."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".venv-clients/bin/node"
NODE_FOLDER = ROOT / "tests/clients/node"
TIMEOUT_S = 110


def need_python(name: str = "clients") -> str:
    """The Python that has third-party clients; skips the test where it is not installed, fails it in CI."""
    venv = ROOT / f".venv-{name}"
    return _need(venv / "bin/python", venv / "installed")


def need_node() -> str:
    """The node that can see the JavaScript clients; skips the test where it is not installed, fails it in CI."""
    return _need(NODE, NODE_FOLDER / "node_modules/installed")


def need_command(name: str) -> str:
    """A command of this machine or of the clients' environment; skips the test without it, fails it in CI."""
    found = shutil.which(name) or shutil.which(name, path=NODE.parent)
    return found or _lack(f"{name} is not installed")


def run(*command: str, url: str, key: str, folder: Path, **variables: str) -> str:
    """Run a client in a clean environment that knows the gateway; returns what it printed.

    Fails the test with everything the client said when it does not succeed.
    """
    environment = {
        "HOME": str(folder),
        "PATH": f"{NODE.parent}:{os.environ['PATH']}",
        "BURSAR_URL": url,
        "BURSAR_KEY": key,
        "NO_PROXY": "127.0.0.1,localhost",
        **variables,
    }
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _need(command: Path, proof: Path) -> str:
    return str(command) if proof.exists() else _lack(f"{proof} is not there; run scripts/client-tools")


def _lack(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
