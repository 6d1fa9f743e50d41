"""A look at a request says what the gateway then does with it, and leaves no trace."""

import json
import random

import pytest
from msgspec import Raw

from bursar.counters.memory import MemoryCounters
from bursar.errors import CountersUnavailable
from bursar.events import Outcome
from bursar.gateway.looking import Look
from bursar.gateway.outlook import outlook_fields
from bursar.gateway.pipeline import Admission
from bursar.gateway.question import CheckQuestion, incoming_of
from bursar.policy.stems import RUNS
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json.dumps({"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": USAGE}).encode()

CONFIG = """
[tags]
required = ["feature"]
[[tag_rules]]
match = { user = "strict" }
required = ["customer"]
on_missing = "reject"
[[budgets]]
name = "team"
match = { team = "search" }
limit_usd = "0.004"
[[budgets]]
name = "users"
per = ["user"]
limit_usd = "0.0009"
when_short = "shrink"
parent = "team"
[[budgets]]
name = "tokens"
match = { user = ["ann", "bob"] }
limit_tokens = 6000
period = "rolling"
window_s = 600
[[budgets]]
name = "soft"
limit_usd = "0.0001"
mode = "soft"
[[limits]]
match = { feature = "big" }
max_output_tokens = 50
max_cost_per_request_usd = "0.0004"
[[limits]]
name = "slow"
match = { feature = "slow" }
per = ["user"]
requests_per_minute = 2
[[runs]]
max_steps = 3
max_depth = 2
"""

KEY = "Bearer vk-search"


def case(draw: random.Random) -> CheckQuestion:
    """A request of any kind: good and bad, small and large, tagged and not, in runs and out of them."""
    headers = {"authorization": draw.choice([KEY] * 9 + ["Bearer vk-wrong"])}
    for name, values in (
        ("x-bursar-user", ["ann", "bob", "cy", "strict", None]),
        ("x-bursar-feature", ["big", "slow", "chat", None]),
        ("x-bursar-task", ["t", None, None]),
        ("x-bursar-task-budget", ["0.0005", "0.01", "much", None, None]),
        ("x-bursar-task-depth", ["1", "3", None, None]),
    ):
        value = draw.choice(values)
        if value is not None:
            headers[name] = value
    body = {
        "model": draw.choice(["gpt-4o-mini"] * 6 + ["gpt-4o", "no-such-model"]),
        "service_tier": "default",
        "messages": [{"role": "user", "content": "x" * draw.choice([10, 500, 3000])}],
        "max_tokens": draw.choice([1, 100, 700]),
    }
    if draw.random() < 0.1:
        del body["max_tokens"]
    text = json.dumps(body).encode() if draw.random() < 0.95 else b'"nonsense"'
    path = draw.choice(["/v1/chat/completions"] * 9 + ["/v1/fine_tuning/jobs", "/providers/nobody/chat/completions"])
    return CheckQuestion(path=path, headers=headers, body=Raw(text))


def look(gateway, asked: CheckQuestion) -> dict:
    """What the look says."""

    def start():
        told = []
        station = gateway.gateway
        incoming = incoming_of(asked, station.clock, peer=lambda: "127.0.0.1")
        Look(Admission(incoming, station.snapshot), station, station.counters, told.append).start(
            now_us=station.clock.monotonic_us()
        )
        return outlook_fields(told[0])

    return gateway.call(start)


def send(gateway, asked: CheckQuestion):
    """What the gateway does."""
    with RawClient(gateway.port) as client:
        client.request(asked.path, bytes(asked.body), content_type="application/json", **asked.headers)
        return client.answer()


@pytest.fixture
def provider():
    with ScriptedProvider(answer(ANSWER)) as provider:
        yield provider


@pytest.mark.parametrize("seed", range(4))
def test_look_equals_outcome(gateway_for, provider, seed):
    """Over many requests in a row, the look before each says what becomes of it, to the word."""
    draw = random.Random(seed)
    seen = set()
    with gateway_for(provider, top=CONFIG) as gateway:
        for number in range(60):
            asked = case(draw)
            told = look(gateway, asked)
            got = send(gateway, asked)
            row = gateway.recorder.wait(number + 1)[-1]
            if told["refusal"] is None:
                assert got.status == 200, (told, got.body)
                assert told["output_cap"] == _number(got.headers.get("x-bursar-max-output-tokens"))
            else:
                error = json.loads(got.body)["error"]
                assert (told["refusal"]["status"], told["refusal"]["code"]) == (got.status, error["code"])
                assert told["refusal"]["message"] == error["message"]
                assert told["refusal"]["retry_after_s"] == _number(got.headers.get("retry-after"))
            assert told["tags"] == {name: value for name, value in row.facts.tags if name != "untagged"}
            assert (told["model"], told["card"], told["key"]) == (
                row.facts.model,
                row.facts.card,
                row.facts.principal.key or None,
            )
            if row.outcome is not Outcome.REFUSED:
                assert told["decisions"] == [one for one in row.decisions if one in told["decisions"]]
            seen.add((got.status, told["refusal"] and told["refusal"]["code"]))

    assert len(seen) >= 6, seen


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def test_nothing_is_held(gateway_for, provider):
    """However often one looks, accounts stand as they stood, and none comes into being."""
    asked = CheckQuestion(
        headers={"authorization": KEY, "x-bursar-user": "ann", "x-bursar-feature": "slow", "x-bursar-task": "t"},
        body=Raw(b'{"model": "gpt-4o-mini", "max_tokens": 10, "messages": []}'),
    )
    with gateway_for(provider, top=CONFIG) as gateway:
        told = [look(gateway, asked) for _ in range(5)]
        book = gateway.gateway.counters._book
        left = (dict(book.slots), dict(book.holds), gateway.gateway.counts.calls, list(gateway.recorder.records))

    assert ({}, {}, 0, []) == left
    assert all(one == told[0] for one in told)
    assert {"team", "users", "tokens", "soft", "slow", "t"} == {gate["name"] for gate in told[0]["gates"]}


def test_arithmetic(gateway_for, provider):
    """The bound is the sum of its lines, and what remains is limit less spent, held and this request."""
    body = json.dumps({"model": "gpt-4o-mini", "service_tier": "default", "max_tokens": 100, "messages": []}).encode()
    asked = CheckQuestion(headers={"authorization": KEY, "x-bursar-user": "ann"}, body=Raw(body))
    with gateway_for(provider, top=CONFIG) as gateway:
        send(gateway, asked)
        told = look(gateway, asked)
    team = next(gate for gate in told["gates"] if gate["name"] == "team")

    assert ["input tokens", "output tokens"] == [line["what"] for line in told["bound"]]
    assert (100, "0.0000006", "0.00006") == tuple(
        told["bound"][1][name] for name in ("quantity", "unit_price_usd", "most_usd")
    )
    assert ("0.004", "0.00021", "0.00", told["bound_usd"], True) == tuple(
        team[name] for name in ("limit", "spent", "held", "this_request", "has_room")
    )
    assert ["feature"] == told["missing_tags"]


def test_store_down(gateway_for, provider, monkeypatch):
    """While nobody can count, and while the ledger is being read, the look says what calls meet."""
    asked = CheckQuestion(headers={"authorization": KEY}, body=Raw(b'{"model": "gpt-4o-mini", "messages": []}'))
    with gateway_for(provider, top=CONFIG) as gateway:
        gateway.gateway.seeded.missing = gateway.gateway.snapshot.rules.stems | {RUNS}
        blind, refused = look(gateway, asked), send(gateway, asked)
        gateway.gateway.seeded.missing = frozenset()

        def fail(_self, _hold):
            raise CountersUnavailable("the store is down")

        monkeypatch.setattr(MemoryCounters, "reserve", fail)
        down, refused_again = look(gateway, asked), send(gateway, asked)

    for told, got in ((blind, refused), (down, refused_again)):
        assert (503, "budget_unavailable") == (got.status, told["refusal"]["code"])
        assert told["refusal"]["message"] == json.loads(got.body)["error"]["message"]
    assert "read from the ledger" in blind["refusal"]["message"]
