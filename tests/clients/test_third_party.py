"""Frameworks and other languages, unmodified, against the gateway; each script beside this file says what it did."""

import json
from pathlib import Path

import pytest

from bursar.events import Outcome
from support.books import Books
from support.client_tools import NODE_FOLDER, need_node, need_python, run
from support.gateway import GatewayThread

KEY = "vk-clients"
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""LiteLLM fetches a price list from the network when it is imported, unless told not to."""
PYTHON_FOLDER = Path(__file__).parent / "third_party"


def drive(script: Path, gateway: GatewayThread, folder: Path) -> dict[str, object]:
    """Run a client's script; what it printed last is a JSON object."""
    if script.suffix == ".mjs":
        command = need_node()
    else:
        command = need_python("litellm" if "litellm" in script.name else "clients")
    printed = run(command, str(script), url=gateway.url, key=KEY, folder=folder, **OFFLINE)
    said: dict[str, object] = json.loads(printed.splitlines()[-1])
    return said


@pytest.mark.parametrize(
    ("script", "calls", "feature"),
    [
        ("with_langchain.py", 13, "langchain"),
        ("with_pydantic_ai.py", 16, "pydantic-ai"),
        ("with_openai_agents.py", 8, "agents"),
        ("with_ai_sdk.mjs", 20, "ai-sdk"),
    ],
)
def test_framework(gateway: GatewayThread, books: Books, tmp_path: Path, script: str, calls: int, feature: str) -> None:
    """A framework's chat, streams, tools and typed outputs work with every provider, and each call is in the books."""
    folder = NODE_FOLDER if script.endswith(".mjs") else PYTHON_FOLDER
    said = drive(folder / script, gateway, tmp_path)
    rows = [pair.row for pair in books.booked(calls)]

    assert all(_is_good(answer) for answer in said.values()), said
    assert {Outcome.SUCCESS} == {row.outcome for row in rows}
    assert {(("feature", feature),)} >= {row.facts.tags for row in rows if row.facts.operation != "embeddings"}


@pytest.mark.parametrize(
    ("script", "calls", "failed", "feature"),
    [
        ("with_litellm.py", 9, 0, "litellm"),
        ("with_openai.mjs", 8, 1, "node-openai"),
        ("with_anthropic.mjs", 5, 0, "node-anthropic"),
        ("with_google.mjs", 4, 0, "node-google"),
    ],
)
def test_client(
    gateway: GatewayThread, books: Books, tmp_path: Path, script: str, calls: int, failed: int, feature: str
) -> None:
    """A client's own features work, its errors are the ones its users catch, and each call is in the books."""
    folder = NODE_FOLDER if script.endswith(".mjs") else PYTHON_FOLDER
    said = drive(folder / script, gateway, tmp_path)
    *pairs, refused = books.rows(calls + 1)

    assert all(_is_good(answer) for answer in said.values()), said
    assert (refused.outcome, refused.error) == (Outcome.REFUSED, "invalid_key")
    assert [Outcome.ERROR] * failed == [row.outcome for row in pairs if row.outcome != Outcome.SUCCESS]
    assert {(("feature", feature),)} == {row.facts.tags for row in pairs}


def _is_good(answer: object) -> bool:
    """Whether every step of one client came out as it should: a script says what it saw, never a bare failure."""
    return all(_is_good(one) for one in answer.values()) if isinstance(answer, dict) else bool(answer)
