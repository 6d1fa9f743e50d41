"""`bursar serve` and `bursar simulate`: what they hand on. That they serve is proven end to end."""

import http.client
import os
import re
import signal
import subprocess
import sys

import pytest

from bursar.cli.main import run
from bursar.simulator.settings import SimulatorSettings
from bursar.wiring.main import SystemServices


class Asked(SystemServices):
    """Services that keep what they are asked to serve."""

    def serve(self, path, **settings):
        self.asked = (path, settings)


def test_settings_are_handed_on(tmp_path):
    """Every option reaches the composition root."""
    services = Asked()
    config = tmp_path / "b.toml"
    arguments = [
        "--host",
        "::1",
        "--port",
        "0",
        "--data-dir",
        "d",
        "--workers",
        "3",
        "--seed",
        "7",
        "--config",
        str(config),
    ]

    assert run(services, ["serve", *arguments]) == 0
    assert services.asked == (
        config,
        {"host": "::1", "port": 0, "data_dir": "d", "workers": 3, "simulator": SimulatorSettings(seed=7)},
    )


def test_nothing_given():
    """Without options the configuration decides."""
    services = Asked()
    run(services, ["serve"])

    assert services.asked == (
        None,
        {"host": None, "port": None, "data_dir": None, "workers": None, "simulator": SimulatorSettings()},
    )


@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "65536"], ["serve", "--workers", "0"], ["simulate", "--error-rate", "2"]]
)
def test_out_of_bounds(arguments, capsys):
    """Values out of bounds are wrong usage."""
    assert run(Asked(), arguments) == 2
    assert "is not in the range" in capsys.readouterr().err


def test_simulate():
    """The simulated provider says where it listens, answers, and stops with Ctrl-C."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bursar.wiring.main", "simulate", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        announced = child.stderr.readline()
        port = int(re.fullmatch(r"Simulated provider listens on http://127\.0\.0\.1:(\d+)\n", announced)[1])
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        line.request("GET", "/v1/models")
        status = line.getresponse().status
        line.close()
        os.kill(child.pid, signal.SIGINT)
        rest = child.stderr.read()

    assert (200, "", 0) == (status, rest, child.returncode)
