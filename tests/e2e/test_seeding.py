"""Budgets know what was spent before them: before a restart, and before they were declared."""

import json
import os
import signal
from contextlib import closing

import pytest

from bursar.clock import SystemClock
from bursar.config import Budget, load_config
from bursar.control.budgetbook import BudgetBook, Grant
from bursar.control.open import open_control
from bursar.control.values import Author
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient
from support.serving import ServedGateway

pytestmark = pytest.mark.timeout(120)

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json.dumps({"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": USAGE}).encode()
"""Costs $0.00021: 1,000 tokens at $0.15 and 100 at $0.60 a million."""

BODY = json.dumps(
    {
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "x" * 1000}],
    }
).encode()


def budget(name: str, limit_usd: str, more: str = "") -> str:
    return f'\n[[budgets]]\nname = "{name}"\nlimit_usd = "{limit_usd}"\n{more}\n'


def ask(gateway: ServedGateway, **headers: str):
    with RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", BODY, authorization="Bearer vk-e2e", **headers)
        return client.answer()


def start(gateway: ServedGateway) -> None:
    gateway.start()
    gateway.until(lambda: gateway.get("/readyz")[0] == 200, "readiness")


def account(gateway: ServedGateway, name: str) -> dict:
    """How the counters see a budget."""
    return json.loads(gateway.get(f"/api/v1/budgets/{name}")[1])["accounts"][0]


def paid_usd(gateway: ServedGateway) -> str:
    """What the ledger has in all."""
    return json.loads(gateway.get("/api/v1/report?by=")[1])[0]["cost_usd"]


def message(answered) -> str:
    return json.loads(answered.body)["error"]["message"]


@pytest.fixture
def provider():
    with ScriptedProvider(answer(ANSWER)) as provider:
        yield provider


def test_restart(tmp_path, provider):
    """What was spent before a kill is spent after it, for budgets of every kind and for agent runs."""
    extra = budget("month", "0.00085") + budget("each", "0.0006", 'per = ["user"]\nperiod = "rolling"\nwindow_s = 3600')
    gateway = ServedGateway(tmp_path, provider.url, extra=extra)
    start(gateway)
    before = [
        ask(gateway, x_bursar_user="ann", x_bursar_task="t", x_bursar_task_budget="0.0004").status,
        ask(gateway, x_bursar_user="ann").status,
    ]
    gateway.kill()
    start(gateway)
    ann = ask(gateway, x_bursar_user="ann")
    run = ask(gateway, x_bursar_user="bob", x_bursar_task="t", x_bursar_task_budget="0.0004")
    other_run = ask(gateway, x_bursar_user="bob", x_bursar_task="u", x_bursar_task_budget="0.0004")
    everybody = [ask(gateway, x_bursar_user=f"u{number}") for number in range(2)]
    gateway.stop()

    assert [200, 200] == before
    assert (402, "spent $0.00021") == (run.status, message(run)[message(run).index("spent") :][:14])
    assert 200 == other_run.status
    assert (402, True) == (
        ann.status,
        "Budget 'each' (user=ann) has no room: limit $0.0006, spent $0.00042" in message(ann),
    )
    assert [402, 402] == [one.status for one in everybody]
    assert "spent $0.00063" in message(everybody[0])


def test_new_budget(tmp_path, provider):
    """A budget that is declared in the middle of a month counts what that has seen, calls of this process too."""
    gateway = ServedGateway(tmp_path, provider.url)
    start(gateway)
    ask(gateway)
    gateway.kill()
    start(gateway)
    before = ask(gateway)
    gateway.config.write_text(gateway.config.read_text() + budget("late", "0.0006"))
    gateway.until(lambda: "configuration reloaded" in gateway.log(), "a reload")
    after = ask(gateway)
    gateway.stop()

    assert 200 == before.status
    assert (402, True) == (after.status, "Budget 'late' has no room: limit $0.0006, spent $0.00042" in message(after))


def test_several_workers(tmp_path, provider):
    """Workers that share a store know the same, also of a new budget, and when the one that seeds was killed."""
    gateway = ServedGateway(tmp_path, provider.url, workers=2)
    start(gateway)
    ask(gateway)
    gateway.config.write_text(gateway.config.read_text() + budget("late", "0.0006"))
    for worker in ("w1", "w2"):
        gateway.until(lambda: f"[{worker}] configuration reloaded" in gateway.log(), f"a reload of {worker}")  # noqa: B023
    killed = gateway.worker_pids()["w1"]
    os.kill(killed, signal.SIGKILL)
    gateway.until(lambda: gateway.worker_pids().get("w1", killed) != killed, "a new worker")
    gateway.until(lambda: gateway.get("/readyz") == (200, '{"ready":true,"reasons":[]}'), "readiness")
    answers = [ask(gateway) for _ in range(4)]
    gateway.stop()

    assert [200, 402, 402, 402] == [one.status for one in answers]
    for refused in answers[1:]:
        assert "Budget 'late' has no room: limit $0.0006, spent $0.00042" in message(refused)


def test_budget_made_at_run_time(tmp_path, provider):
    """A budget that is made while the gateway runs knows what was spent, refuses, and lets on after a top-up."""
    gateway = ServedGateway(tmp_path, provider.url)
    start(gateway)
    ask(gateway)
    with closing(open_control(tmp_path / "bursar-data", SystemClock())) as control:
        book = BudgetBook(control, load_config(gateway.config))
        author = Author("ana", SystemClock().now_us())
        book.create(Budget(name="made", limit_usd="0.0004", match={"key": "e2e"}), author)
        gateway.until(lambda: ask(gateway).status == 402, "a refusal")
        refused = ask(gateway)
        book.top_up("made", Grant(usd="0.5"), author)
        gateway.until(lambda: ask(gateway).status == 200, "an admission")
        gateway.until(lambda: account(gateway, "made")["spent_usd"] == paid_usd(gateway), "agreement with the ledger")
        told = account(gateway, "made")
        book.delete("made", author)
    gateway.stop()

    assert "Budget 'made' has no room: limit $0.0004, spent $0.0" in message(refused)
    assert "0.5004" == told["limit_usd"]
    assert "0.00" != told["spent_usd"]
