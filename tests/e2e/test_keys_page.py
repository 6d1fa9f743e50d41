"""`docs/keys.md` tells the truth: its commands run in order, as a reader types them, against a served gateway."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bursar.config import parse_config
from bursar.console.keys.operations import KEY_OPERATIONS
from bursar.console.operations import PREFIX
from bursar.control.cached import REMEMBERED
from bursar.errors import REFUSALS
from bursar.policy.secret import PATTERN
from support.blocks import blocks_of
from support.client_tools import ROOT, need_command
from support.serving import ServedGateway
from support.simulator import simulator

PAGE = ROOT / "docs/keys.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks_of(PAGE)
COMMANDS = [block.text for block in BLOCKS if block.language == "sh"]


@pytest.fixture
def served(tmp_path):
    """A gateway as a user runs it, in front of the simulated provider."""
    with simulator() as provider:
        gateway = ServedGateway(tmp_path, provider.base_url)
        gateway.start()
        yield gateway
        gateway.stop()


def test_commands(served):
    """Every command succeeds, the call is served under the new key, and the audit log tells what was done."""
    need_command("curl")
    done = subprocess.run(
        ["sh", "-euc", "".join(COMMANDS).replace("http://127.0.0.1:4100", f"http://127.0.0.1:{served.port}")],
        cwd=served.folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    outputs = done.stdout

    assert 0 == done.returncode, done.stderr
    assert '"error"' not in outputs
    assert '"choices"' in outputs
    assert re.search(rf'"secret":"{PATTERN}"', outputs)
    log = json.loads(outputs[outputs.rindex('[{"id"') :])
    assert ["key.delete", "key.rotate", "key.change", "key.create"] == [entry["action"] for entry in log]
    assert {"admin token"} == {entry["actor"] for entry in log}
    assert "admin token    bsa-" in served.log()


def test_settings():
    """The file's example is a valid configuration."""
    (block,) = [one.text for one in BLOCKS if one.language == "toml"]
    (key,) = parse_config(block, source="docs/keys.md").keys

    assert set(key.__struct_fields__) - {"organisation", "project", "enabled"} <= set(
        re.findall(r"^(\w+) =", block, re.MULTILINE)
    )


def test_every_operation_has_an_example():
    """No operation of the API is left out."""
    lines = [line for text in COMMANDS for line in text.replace("\\\n", "").splitlines() if PREFIX in line]
    shown = set()
    for line in lines:
        method = re.search(r"-X (\w+)", line)
        path = re.search(r"4100(/[^\s'?]*)", line)[1].replace("/keys/ci", "/keys/{name}")
        shown.add((method[1] if method else "POST" if "-d '" in line else "GET", path))

    assert {(one.method, PREFIX + one.path) for one in KEY_OPERATIONS} == shown


def test_facts():
    """Patterns, limits and codes on the page are the code's."""
    assert f"`{PATTERN}`" in TEXT
    assert f"remembers the {REMEMBERED} used last" in TEXT
    assert set(re.findall(r"`(\w+_(?:allowed|key|unavailable))`", TEXT)) - set(REFUSALS) <= {
        "previous_key",
        "bursar_control_unavailable",
    }
