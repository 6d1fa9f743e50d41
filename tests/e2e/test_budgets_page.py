"""`docs/budgets.md` tells the truth: its commands run in order, as a reader types them, against a served gateway."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bursar.config import parse_config
from bursar.console.budgets.operations import BUDGET_OPERATIONS
from bursar.console.checks.operations import CHECK_OPERATIONS
from bursar.console.operations import PREFIX
from bursar.errors import REFUSALS
from bursar.policy.claims import ROLLING_BUCKETS
from bursar.policy.rules import DIMENSIONS, Rules
from support.blocks import blocks_of
from support.client_tools import ROOT, need_command
from support.serving import ServedGateway
from support.simulator import simulator

PAGE = ROOT / "docs/budgets.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks_of(PAGE)
COMMANDS = [block.text for block in BLOCKS if block.language == "sh"]


@pytest.fixture
def served(tmp_path):
    """A gateway as a user runs it, in front of the simulated provider."""
    with simulator() as provider:
        gateway = ServedGateway(tmp_path, provider.base_url)
        gateway.start()
        gateway.until(lambda: gateway.get("/readyz")[0] == 200, "readiness")
        yield gateway
        gateway.stop()


def test_commands(served):
    """Every command succeeds, and the audit log tells what was done, by whom."""
    need_command("curl")
    done = subprocess.run(
        ["sh", "-euc", "".join(COMMANDS).replace("http://127.0.0.1:4100", f"http://127.0.0.1:{served.port}")],
        cwd=served.folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BURSAR_E2E_KEY": "vk-e2e",
            "BURSAR_E2E_PROVIDER": "sk",
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    log = json.loads(served.get("/api/v1/audit-log")[1])

    assert 0 == done.returncode, done.stderr + done.stdout
    assert '"error"' not in done.stdout
    assert '"verdict":"send"' in done.stdout
    assert "would be sent" in done.stdout
    trial = [entry["action"] for entry in log if entry["subject"] == "trial"]
    assert ["delete", "top_up.cancel", "top_up", "change", "create"] == [
        action.removeprefix("budget.") for action in trial
    ]
    assert {"launch week"} == {
        entry["after"]["reason"] for entry in log if entry["action"] == "budget.top_up" and entry["after"]["reason"]
    }


def test_settings():
    """The file's example is a valid configuration, and compiles."""
    (block,) = [one.text for one in BLOCKS if one.language == "toml"]
    rules = Rules(budgets=parse_config(block, source="docs/budgets.md").budgets)

    assert "company" == rules.by_name["search"].parent.name


def test_every_operation_has_an_example():
    """No operation of the API is left out."""
    lines = [line for text in COMMANDS for line in text.replace("\\\n", "").splitlines() if PREFIX in line]
    shown = set()
    for line in lines:
        method = re.search(r"-X (\w+)", line)
        path = re.search(r"4100(/[^\s'?]*)", line)[1]
        path = re.sub("/budgets/(search-eu|trial)", "/budgets/{name}", path).replace("/topup/3", "/topup/{id}")
        shown.add((method[1] if method else "POST" if "-d " in line else "GET", path))

    assert {(one.method, PREFIX + one.path) for one in (*BUDGET_OPERATIONS, *CHECK_OPERATIONS)} == shown


def test_names_are_true():
    """Dimensions, refusal codes and metrics that the page names are the code's."""
    sources = "".join(path.read_text() for path in (ROOT / "src/bursar/console").glob("*.py"))
    metrics = set(re.findall(r"`(bursar_[a-z_]+)`", TEXT))

    assert all(f"`{one}`" in TEXT for one in DIMENSIONS)
    assert {"budget_exceeded", "budget_unavailable", "unpriced_model"} <= set(REFUSALS)
    assert all(re.sub("_total$|_(limit|spent|held)_usd$", "", one) in sources for one in metrics)
    assert ("sixty parts", 60) == (re.search("sixty parts", TEXT)[0], ROLLING_BUCKETS)
