"""`bursar explain --dry-run`, without a gateway and with one."""

import json

import pytest

from support.console import RunningConsole
from support.gateway import ADMIN_TOKEN
from support.ledger_records import facts, settled

CONFIG = """
[tags]
required = ["feature"]
[[providers]]
name = "openai"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
[[keys]]
name = "search"
key = "env:VK_SEARCH"
team = "search"
[[budgets]]
name = "search"
match = { team = "search" }
limit_usd = "0.0001"
[[limits]]
name = "pace"
per = ["key"]
requests_per_minute = 60
"""

BODY = {"model": "mini", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def ready(bursar, tmp_path, monkeypatch):
    """A configuration, a body and some spend."""
    monkeypatch.setenv("VK_SEARCH", "vk-search")
    bursar.configure(f"[server]\nport = 9\n{CONFIG}")
    (tmp_path / "body.json").write_text(json.dumps(BODY))
    bursar.record([settled(about=facts(1, at_us=bursar.clock.us), cost=40_000_000)])
    return bursar


def look(commands, *arguments):
    return commands("explain", "--dry-run", str(commands.folder / "body.json"), "--key", "search", *arguments)


def test_table(ready):
    """Key, tags, price, bound with its arithmetic, and every account with what the ledger knows of it."""
    found = look(ready)

    assert 0 == found.code, found.err
    ready.golden("explain_dry_run", found.out)
    assert "No gateway is running" in found.err


def test_refused(ready):
    """A request that would be refused ends with code 1 and the refusal's own words."""
    (ready.folder / "body.json").write_text(json.dumps(BODY | {"max_tokens": 1000}))
    found = look(ready, "--format", "json", "--header", "x-bursar-feature=answers")

    assert 1 == found.code
    told = found.json()
    assert ("refuse", "budget_exceeded", 402) == (told["verdict"], told["refusal"]["code"], told["refusal"]["status"])
    assert {"feature": "answers"} == told["tags"]
    assert "spent $0.00004" in told["refusal"]["message"]


def test_csv(ready):
    """CSV has the accounts."""
    rows = look(ready, "--format", "csv").csv()

    assert [("pace", "60"), ("search", "0.0001")] == [(row["name"], row["limit"]) for row in rows]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dry-run", "missing.json"), "cannot read missing.json"),
        ((), "name a request id"),
        (("--dry-run", "{config}"), "is no JSON"),
        (("--dry-run", "{body}", "--key", "nobody"), "there is no key 'nobody'"),
        (("--dry-run", "{body}", "--header", "x"), "NAME=VALUE"),
    ],
)
def test_wrong_usage(ready, arguments, said):
    """What makes no sense is refused with exit code 2 and the reason."""
    places = {"config": str(ready.config), "body": str(ready.folder / "body.json")}
    result = ready("explain", *(text.format(**places) for text in arguments))

    assert (2, True) == (result.code, said in result.err), result.err


def test_running_gateway(ready):
    """While a gateway runs on the data folder, it is the one that says so."""
    with RunningConsole(ready.data_dir, config=CONFIG, environ={"VK_SEARCH": "vk-search"}, has_ledger=False) as running:
        ready.configure(f"[server]\nport = {running.port}\n{CONFIG}")
        (ready.data_dir / "admin-token").write_text(ADMIN_TOKEN)
        live = look(ready)
        (ready.data_dir / "admin-token").write_text("bsa-another-folder")
        other = look(ready)

    assert (0, "") == (live.code, live.err)
    assert "No gateway is running" in other.err
