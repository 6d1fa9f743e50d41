"""Alerts of a gateway as users run it: several workers, webhooks, kills."""

import json

import pytest

from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient
from support.receiver import Receiver, receiving
from support.serving import ServedGateway

pytestmark = pytest.mark.timeout(180)

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json.dumps({"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": USAGE}).encode()
"""Costs $0.00021."""

BODY = json.dumps(
    {
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "x" * 1000}],
    }
).encode()


def settings(receiver: Receiver) -> str:
    """A budget for four calls, which no calendar foretells, runs of two, and a webhook."""
    return (
        '\n[[budgets]]\nname = "month"\nlimit_usd = "0.00094"\nperiod = "total"\nthresholds = [20, 80]\n'
        "[[runs]]\nmax_steps = 2\n"
        f'[[webhooks]]\nname = "ops"\nurl = "{receiver.url}"\nsecret = "env:BURSAR_E2E_KEY"\n'
    )


def ask(gateway: ServedGateway, **headers: str) -> int:
    with RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", BODY, authorization="Bearer vk-e2e", **headers)
        return client.answer().status


def start(gateway: ServedGateway) -> None:
    gateway.start()
    gateway.until(lambda: gateway.get("/readyz")[0] == 200, "readiness")


def told(receiver: Receiver) -> list[tuple[str, object]]:
    """Kind, and percentage or reason, of what arrived, in order of the alphabet."""
    data = [(body["kind"], body["data"]) for body in receiver.bodies]
    return sorted((kind, str(about.get("percent", about.get("reason", "")))) for kind, about in data)


def open_alerts(gateway: ServedGateway) -> list[dict]:
    return json.loads(gateway.get("/api/v1/alerts?open=true")[1])


@pytest.fixture
def serve(tmp_path):
    """Make a gateway, which does not outlive the test."""
    made = []

    def make(*arguments, **settings) -> ServedGateway:
        made.append(ServedGateway(tmp_path, *arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        if not one.is_dead():
            one.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_told_once(serve, workers):
    """Whichever worker serves the calls and however often the gateway is killed, each thing is told once."""
    with ScriptedProvider(answer(ANSWER)) as provider, receiving() as receiver:
        gateway = serve(provider.url, workers=workers, extra=settings(receiver))
        start(gateway)
        first = [ask(gateway) for _ in range(2)]
        gateway.until(lambda: len(receiver.received) >= 1, "the first threshold")
        gateway.kill()
        start(gateway)
        second = [ask(gateway, x_bursar_task="run-1") for _ in range(3)]
        third = [ask(gateway) for _ in range(2)]
        gateway.until(lambda: len(receiver.received) >= 4, "all that there is to tell")
        gateway.until(lambda: all(one["deliveries"][0]["delivered_at"] for one in open_alerts(gateway)), "its record")
        found = open_alerts(gateway)
        page = gateway.get("/")[1]
        gateway.stop()

    assert ([200, 200], [200, 200, 403], [402, 402]) == (first, second, third)
    assert [
        ("budget_refusing", ""),
        ("budget_threshold", "20"),
        ("budget_threshold", "80"),
        ("run_limit", "steps"),
    ] == told(receiver)
    assert {body["id"] for body in receiver.bodies} == {one["id"] for one in found}
    assert all(one.headers["x-bursar-signature"].startswith("t=") for one in receiver.received)
    assert "Open alerts" in page
    assert "Run &#39;run-1&#39;" in page


def test_receiver_that_hangs(serve):
    """Calls go on as ever while the receiver of alerts hangs, and the gateway stops when it is told to."""
    hangs = receiving(script=lambda connection, _request: connection.recv(1))
    with ScriptedProvider(answer(ANSWER)) as provider, hangs as receiver:
        gateway = serve(provider.url, extra=settings(receiver))
        start(gateway)
        before = [ask(gateway) for _ in range(2)]
        gateway.until(lambda: len(receiver.received) >= 1, "the first threshold")
        after = [ask(gateway) for _ in range(3)]
        status = gateway.stop()

    assert ([200, 200], [200, 200, 402], 0) == (before, after, status)
