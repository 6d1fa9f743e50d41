"""A simulator in a process of its own ends when it should, and quietly."""

import http.client
import signal
import subprocess
import sys

import msgspec

from bursar.simulator.serve import Listening, SimulatorProcess
from bursar.simulator.settings import SimulatorSettings


def started(settings: SimulatorSettings) -> tuple[subprocess.Popen[bytes], int]:
    """A child that listens, and its port."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bursar.simulator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdin.write(msgspec.json.encode(settings) + b"\n")
    child.stdin.flush()
    return child, msgspec.json.decode(child.stdout.readline(), type=Listening).port


def test_answers_and_stops():
    """The process answers on the port it names and ends with the block."""
    with SimulatorProcess(SimulatorSettings(latency_scale=0)) as process:
        line = http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)
        line.request("GET", "/v1/models")
        status = line.getresponse().status
        line.close()
        running = process

    assert (status, running.exit_status) == (200, 0)


def test_dies_with_its_parent():
    """When the parent's pipe closes, the child ends by itself."""
    child, _ = started(SimulatorSettings())
    _, errors = child.communicate(timeout=20)

    assert (child.returncode, errors) == (0, b"")


def test_sigterm():
    """SIGTERM ends it in order."""
    child, _ = started(SimulatorSettings())
    child.send_signal(signal.SIGTERM)
    child.wait(20)
    _, errors = child.communicate(timeout=20)

    assert (child.returncode, errors) == (0, b"")
