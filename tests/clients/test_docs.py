"""`docs/clients.md` tells the truth: every example runs, every setting leads to a request that is metered."""

import json
import re
import subprocess
import sys
import tomllib
from itertools import groupby
from pathlib import Path

import httpx2
import pytest
import yaml

from support.blocks import Block, blocks_of
from support.books import Books
from support.client_tools import NODE_FOLDER, ROOT, need_command, need_node, need_python, run
from support.gateway import GatewayThread

KEY = "vk-clients"
ADDRESS = "http://127.0.0.1:4100"
PAGE = ROOT / "docs/clients.md"
BLOCKS = blocks_of(PAGE)
SETTINGS = [block for block in BLOCKS if "settings" in block.marks]
EXAMPLES = {
    heading: list(blocks)
    for heading, blocks in groupby(
        (block for block in BLOCKS if "settings" not in block.marks), lambda block: block.heading
    )
}

FOLLOWING = {
    "OpenAI, Python": ("/chat/completions", "chat.completions"),
    "Claude Code": ("/v1/messages", "messages"),
    "Codex": ("/responses", "responses"),
    "Aider": ("/chat/completions", "chat.completions"),
    "Continue": ("/chat/completions", "chat.completions"),
    "Programs with fields to fill in": ("/chat/completions", "chat.completions"),
}
"""What each program appends to the base URL it is given, and what that request is to us."""

VARIABLES = {
    "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_API_BASE",
    "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "ENABLE_TOOL_SEARCH",
    "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
}  # fmt: skip
"""Variables whose meaning was read in the documentation or source of the program that reads them (2026-11)."""

BODIES = {
    "chat.completions": {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]},
    "responses": {"model": "gpt-5-mini", "input": "hello"},
    "messages": {
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello"}],
    },
}


@pytest.mark.parametrize("heading", EXAMPLES)
def test_example(gateway: GatewayThread, books: Books, tmp_path: Path, heading: str) -> None:
    """The blocks under one heading run as one program, say something, and every call is in both sides' books."""
    blocks = EXAMPLES[heading]
    (language,) = {block.language for block in blocks}
    (marks,) = {block.marks for block in blocks}
    text = "\n".join(block.text for block in blocks).replace(ADDRESS, gateway.url)
    printed = run(
        *_command(language, marks, text, tmp_path),
        url=gateway.url,
        key=KEY,
        folder=tmp_path,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    )
    pairs = books.booked(books.count())

    assert pairs
    assert {200} == {pair.row.status for pair in pairs}
    assert any(("feature", "support-") == (name, value[:8]) for pair in pairs for name, value in pair.facts.tags)
    assert all(pair.row.cost for pair in pairs)
    assert printed.strip()
    if "x-bursar-request-id" in text:
        assert pairs[0].facts.call_id in printed
    if "x-bursar-stream-cost" in text:
        assert ": bursar cost_usd=0." in printed


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: f"{block.heading}, line {block.line}")
def test_settings_are_well_formed(block: Block) -> None:
    """Settings are valid in their language, and shell settings name only variables that are known to be read."""
    _read(block)
    names = set(re.findall(r"^(?:export |\s+\")([A-Z_]{3,})", block.text, re.MULTILINE))

    assert names <= VARIABLES
    assert (block.language in ("sh", "json")) == bool(names)


@pytest.mark.parametrize("heading", FOLLOWING)
def test_settings_lead_here(gateway: GatewayThread, books: Books, heading: str) -> None:
    """The base URL of a setting, with what the program appends to it, is a route that is metered."""
    suffix, operation = FOLLOWING[heading]
    section = PAGE.read_text(encoding="utf-8").split(f"# {heading}\n")[1].split("\n#")[0]
    addresses = set(re.findall(rf"{ADDRESS}[\w/]*", section))
    for address in addresses:
        answer = httpx2.post(
            address.replace(ADDRESS, gateway.url) + suffix,
            json=BODIES[operation],
            headers={"authorization": f"Bearer {KEY}", "x-bursar-feature": "coding"},
        )
        assert answer.status_code == 200, answer.text

    assert {operation} == {pair.facts.operation for pair in books.booked(len(addresses))}


def test_headers_of_agents() -> None:
    """Headers in settings are ours, one a line where they share a variable."""
    given: dict[str, str] = {}
    for block in SETTINGS:
        found = re.search(r'ANTHROPIC_CUSTOM_HEADERS"?[=:] ?"([^"]*)"', block.text)
        if found:
            lines = found[1].replace("\\n", "\n").splitlines()
            given.update(line.split(": ", 1) for line in lines)
    codex = next(tomllib.loads(block.text) for block in SETTINGS if block.heading == "Codex")
    provider = codex["model_providers"][codex["model_provider"]]
    given.update(provider["http_headers"] | provider["env_http_headers"])

    assert all(name.startswith("x-bursar-") for name in given)
    assert {"x-bursar-feature", "x-bursar-environment", "x-bursar-key", "x-bursar-task"} == set(given)
    assert (provider["env_key"], provider["wire_api"]) == ("BURSAR_KEY", "responses")


def test_versions() -> None:
    """The major versions that the page names are those that its examples run with."""
    python: dict[str, str] = {}
    for lock in ("litellm", "clients", "dev"):
        pins = (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8")
        python.update(re.findall(r"^([a-z0-9-]+)==(\d+)", pins, re.MULTILINE))
    packages = json.loads((NODE_FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    node = {name: version.split(".")[0] for name, version in packages.items()}
    table = PAGE.read_text(encoding="utf-8").split("| client | version |")[1]
    rows = re.findall(r"^\| (`.*) \| (\d+) \|$", table, re.MULTILINE)
    named = [(row, name, version) for row, version in rows for name in re.findall(r"`([^`]+)`", row)]

    assert len(named) == 14
    for row, name, version in named:
        assert version == (node if name in node and "(Python)" not in row else python)[name], name


def _command(language: str, marks: tuple[str, ...], text: str, folder: Path) -> list[str]:
    """How to run a block: its text lands in a file where the program finds its libraries."""
    match language:
        case "python":
            script = folder / "example.py"
            script.write_text(text)
            return [need_python(*marks) if marks else sys.executable, str(script)]
        case "js":
            node = need_node()
            script = folder / "example.mjs"
            script.write_text(text)
            (folder / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
            return [node, str(script)]
        case "sh":
            need_command("curl")
            return ["sh", "-euc", text]
        case _:
            raise ValueError(f"no way is known to run a block of {language!r}")


def _read(block: Block) -> object:
    """Parse a settings block; raises what its parser raises."""
    match block.language:
        case "sh":
            return subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
        case "toml":
            return tomllib.loads(block.text)
        case "json":
            return json.loads(block.text)
        case "yaml":
            return yaml.safe_load(block.text)
        case _:
            raise ValueError(f"{block.language!r} is no language of settings")
