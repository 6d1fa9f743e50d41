"""Budgets, limits and agent runs in the running gateway: what is held, settled, refused, and said about it."""

import json
import threading

import pytest

from bursar.errors import CountersUnavailable
from bursar.events import Outcome, PriceStatus
from bursar.money import format_usd, parse_usd
from support.provider import ScriptedProvider, answer, send_chunk, stream_head
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = json.dumps({"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": USAGE}).encode()
COST = parse_usd("0.00021")  # 1000 x $0.15/M + 100 x $0.60/M


def chat(*, max_tokens: int | None = 100, model: str = "gpt-4o-mini", **more: object) -> bytes:
    """A request with some 1,100 bytes of input."""
    said = [{"role": "user", "content": "x" * 1000}]
    body = {"model": model, "service_tier": "default", "messages": said, **more}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    return json.dumps(body).encode()


def ask(gateway, body: bytes | None = None, **headers: str):
    with RawClient(gateway.port) as client:
        client.request("/v1/chat/completions", chat() if body is None else body, **AUTH, **headers)
        return client.answer()


def error_of(got) -> dict:
    return json.loads(got.body)["error"]


def budget(limit_usd: str, *, name: str = "search", match: str = '{team = "search"}', more: str = "") -> str:
    return f'[[budgets]]\nname = "{name}"\nmatch = {match}\nlimit_usd = "{limit_usd}"\n{more}\n'


@pytest.fixture
def provider():
    with ScriptedProvider(answer(ANSWER)) as provider:
        yield provider


def test_hard_budget(gateway_for, provider):
    """A hard budget admits what fits at worst, settles to what it cost, and refuses the rest before it is sent."""
    with gateway_for(provider, top=budget("0.0006")) as gateway:
        first, second, third = (ask(gateway) for _ in range(3))
        rows = gateway.recorder.wait(3)

    assert [200, 200, 402] == [first.status, second.status, third.status]
    assert "0.00039" == first.headers["x-bursar-budget-remaining-usd"]
    assert "0.00018" == second.headers["x-bursar-budget-remaining-usd"]
    assert 2 == len(provider.received)
    assert (Outcome.REFUSED, "budget_exceeded", 0) == (rows[2].outcome, rows[2].error, rows[2].cost)


def test_refusal_names_everything(gateway_for, provider):
    """The message names the budget, whose it is, limit, spent, reserved, worst case, reset and way out."""
    top = budget("0.00025", more='per = ["user"]\nperiod = "month"')
    with gateway_for(provider, top=top) as gateway:
        ask(gateway, x_bursar_user="ann")
        got = ask(gateway, x_bursar_user="ann")
        other = ask(gateway, x_bursar_user="bob")
        gateway.recorder.wait(3)

    message = error_of(got)["message"]
    assert ("budget_exceeded", 200) == (error_of(got)["code"], other.status)
    for part in (
        "Budget 'search' (user=ann)",
        "limit $0.00025",
        "spent $0.00021",
        "reserved $0.00",
        "may take up to $0.000",
        "resets at 20",
        "bursar budgets topup search",
    ):
        assert part in message


def test_every_scope_or_none(gateway_for, provider):
    """A request that one of its budgets refuses leaves nothing held in the others."""
    top = budget("1.00", name="wide") + budget("0.0001", name="narrow", match='{feature = "chat"}')
    with gateway_for(provider, top=top) as gateway:
        got = ask(gateway, x_bursar_feature="chat")
        again = ask(gateway)
        gateway.recorder.wait(2)

    assert "Budget 'narrow'" in error_of(got)["message"]
    assert format_usd(parse_usd("1.00") - COST) == again.headers["x-bursar-budget-remaining-usd"]


def test_envelope(gateway_for, provider):
    """A child's spend counts in its envelope, although that matches nothing itself."""
    top = budget("0.0004", name="company", match='{team = "nobody"}') + budget("1.00", more='parent = "company"')
    with gateway_for(provider, top=top) as gateway:
        first, second = ask(gateway), ask(gateway)
        gateway.recorder.wait(2)

    assert (200, 402) == (first.status, second.status)
    assert "Budget 'company'" in error_of(second)["message"]


@pytest.mark.parametrize("mode", ["soft", "downgrade"])
def test_soft_budget(gateway_for, provider, mode):
    """A budget that is not hard refuses nothing, and the row says that it is exceeded."""
    with gateway_for(provider, top=budget("0.0003", more=f'mode = "{mode}"')) as gateway:
        statuses = [ask(gateway).status for _ in range(3)]
        rows = gateway.recorder.wait(3)

    assert [200, 200, 200] == statuses
    assert f"{mode}: Budget 'search' is exceeded" in rows[2].decisions


def test_unpriced_model_under_a_hard_budget(gateway_for, provider):
    """What cannot be bounded is refused by a hard budget, unless the budget allows it."""
    body = chat(model="no-such-model")
    with gateway_for(provider, top=budget("1.00")) as gateway:
        refused = ask(gateway, body)
    with gateway_for(provider, top=budget("1.00", more='unpriced = "allow"')) as gateway:
        admitted = ask(gateway, body)
        row = gateway.recorder.wait(1)[0]

    assert (402, "unpriced_model") == (refused.status, error_of(refused)["code"])
    assert "Budget 'search'" in error_of(refused)["message"]
    assert 200 == admitted.status
    assert any("without a hold in budget 'search'" in one for one in row.decisions)


def test_unknown_cost_counts_at_its_bound(gateway_for):
    """An answer without usage may have cost as much as was held, so that much is counted."""
    silent = json.dumps({"id": "c", "model": "gpt-4o-mini", "choices": []}).encode()
    with ScriptedProvider(answer(silent)) as provider, gateway_for(provider, top=budget("1.00")) as gateway:
        first = ask(gateway)
        row = gateway.recorder.wait(1)[0]

    assert PriceStatus.UNPRICED == row.price_status
    assert format_usd(parse_usd("1.00") - row.facts.bound) == first.headers["x-bursar-budget-remaining-usd"]


def test_provider_error_frees_the_hold(gateway_for):
    """A provider's error bills nothing, and nothing stays held."""
    broken = answer(b'{"error":{"message":"no","type":"server_error"}}', status="500 Internal Server Error")
    with ScriptedProvider(broken) as provider, gateway_for(provider, top=budget("0.0004")) as gateway:
        statuses = [ask(gateway).status for _ in range(3)]

    assert [500, 500, 500] == statuses


def test_shrink(gateway_for, provider):
    """A budget that shrinks lowers the output cap to what is left, and says so in a header and in the row."""
    body = chat(max_tokens=10_000)
    with gateway_for(provider, top=budget("0.001", more='when_short = "shrink"')) as gateway:
        got = ask(gateway, body)
        row = gateway.recorder.wait(1)[0]

    cap = int(got.headers["x-bursar-max-output-tokens"])
    sent = json.loads(provider.received[0].body)
    assert 200 == got.status
    assert 0 < cap < 10_000
    assert json.loads(body) | {"max_tokens": cap} == sent
    assert row.facts.bound <= parse_usd("0.001") < row.facts.bound + parse_usd("0.00000061")


def test_hold_of_a_stream_lasts(gateway_for):
    """While a stream runs, its worst case is held; when it ends, what it cost is counted."""
    go_on = threading.Event()

    def script(connection, _request):
        stream_head(connection)
        go_on.wait(20)
        usage = b'data: {"id":"c","model":"gpt-4o-mini","choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
        send_chunk(connection, usage)
        send_chunk(connection, b"data: [DONE]\n\n")
        send_chunk(connection, b"")

    with ScriptedProvider(script) as provider, gateway_for(provider, top=budget("0.00047")) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", chat(stream=True), **AUTH)
            client.head()
            meanwhile = ask(gateway)
            go_on.set()
            gateway.recorder.wait(2)
        provider.script = answer(ANSWER)
        after = ask(gateway)

    assert (402, 200) == (meanwhile.status, after.status)
    assert "reserved $0.000" in error_of(meanwhile)["message"]


def test_token_budget(gateway_for, provider):
    """A budget may count tokens instead of money."""
    top = '[[budgets]]\nname = "tokens"\nlimit_tokens = 2400\nperiod = "day"\n'
    with gateway_for(provider, top=top) as gateway:
        first, second = ask(gateway), ask(gateway)

    assert (200, 402) == (first.status, second.status)
    assert "limit 2,400 tokens, spent 1,100 tokens" in error_of(second)["message"]


def test_token_budget_of_an_unpriced_model(gateway_for, provider):
    """A model without a price has tokens all the same: they are held, counted, and refused when there are too many."""
    body = chat(model="no-such-model")
    top = '[[budgets]]\nname = "tokens"\nlimit_tokens = 2400\nperiod = "day"\n'
    with gateway_for(provider, top=top) as gateway:
        first, second, uncapped = ask(gateway, body), ask(gateway, body), ask(gateway, chat(model="x", max_tokens=None))

    assert (200, 402, 402) == (first.status, second.status, uncapped.status)
    assert "spent 1,100 tokens" in error_of(second)["message"]
    assert "may take up to 1,001," in error_of(uncapped)["message"]


def test_requests_per_minute(gateway_for, provider):
    """A rate limit answers 429 with the seconds after which there is room again."""
    top = '[[limits]]\nname = "calm"\nper = ["key"]\nrequests_per_minute = 2\n'
    with gateway_for(provider, top=top) as gateway:
        statuses = [ask(gateway).status for _ in range(2)]
        refused = ask(gateway)

    assert [200, 200] == statuses
    assert (429, "rate_limited") == (refused.status, error_of(refused)["code"])
    assert 1 <= int(refused.headers["retry-after"]) <= 62
    assert "Limit 'calm' (key=search-prod) allows 2 requests a minute" in error_of(refused)["message"]


def test_concurrency(gateway_for):
    """A concurrency limit counts requests in flight and nothing else."""
    arrived, go_on = threading.Event(), threading.Event()

    def script(connection, request):
        arrived.set()
        go_on.wait(20)
        answer(ANSWER)(connection, request)

    top = "[[limits]]\nconcurrency = 1\n"
    with ScriptedProvider(script) as provider, gateway_for(provider, top=top) as gateway:
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", chat(), **AUTH)
            arrived.wait(20)
            refused = ask(gateway)
            go_on.set()
            first = client.answer()
        after = ask(gateway)

    assert (200, 429, 200) == (first.status, refused.status, after.status)
    assert "concurrency_limited" == error_of(refused)["code"]


def test_size_limits(gateway_for, provider):
    """Input above a limit is refused; output above it is lowered or refused; so is what may cost too much."""
    top = (
        '[[limits]]\nmatch = {feature = "a"}\nmax_input_tokens = 100\n'
        '[[limits]]\nmatch = {feature = "b"}\nmax_output_tokens = 50\n'
        '[[limits]]\nmatch = {feature = "c"}\nmax_output_tokens = 50\noutput_action = "refuse"\n'
        '[[limits]]\nmatch = {feature = "d"}\nmax_cost_per_request_usd = "0.0001"\n'
    )
    with gateway_for(provider, top=top) as gateway:
        got = {feature: ask(gateway, x_bursar_feature=feature) for feature in "abcd"}

    assert {"a": 413, "b": 200, "c": 400, "d": 402} == {feature: one.status for feature, one in got.items()}
    assert 50 == json.loads(provider.received[0].body)["max_tokens"]
    assert "50" == got["b"].headers["x-bursar-max-output-tokens"]
    codes = [error_of(got[feature])["code"] for feature in "acd"]
    assert ["input_too_large", "output_too_large", "cost_ceiling"] == codes


def test_task_budget(gateway_for, provider):
    """A run's first request sets its ceiling; later ones cannot raise it, and other runs are not touched."""
    run = {"x_bursar_task": "run-1", "x_bursar_task_budget": "0.00045"}
    with gateway_for(provider) as gateway:
        first = ask(gateway, **run)
        second = ask(gateway, **run | {"x_bursar_task_budget": "9.00"})
        other = ask(gateway, x_bursar_task="run-2", x_bursar_task_budget="0.0005")

    assert (200, 402, 200) == (first.status, second.status, other.status)
    assert "task_budget_exceeded" == error_of(second)["code"]
    assert "Run 'run-1'" in error_of(second)["message"]
    assert "limit $0.00045" in error_of(second)["message"]


def test_run_limits(gateway_for, provider):
    """Steps and depth of a run are limited, and repeating one request leads from a warning to a stop."""
    top = (
        '[[runs]]\nmatch = {task_type = "steps"}\nmax_steps = 2\nmax_depth = 1\n'
        '[[runs]]\nmatch = {task_type = "loop"}\nmax_repeats = 1\n'
    )
    steps = {"x_bursar_task": "s", "x_bursar_task_type": "steps"}
    loop = {"x_bursar_task": "l", "x_bursar_task_type": "loop"}
    with gateway_for(provider, top=top) as gateway:
        taken = [ask(gateway, **steps).status for _ in range(3)]
        deep = ask(gateway, x_bursar_task_depth="2", **steps | {"x_bursar_task": "deep"})
        looped = [ask(gateway, **loop).status for _ in range(4)]
        rows = gateway.recorder.wait(8)

    assert [200, 200, 403] == taken
    assert (403, "run_limit") == (deep.status, error_of(deep)["code"])
    assert [200, 200, 200, 403] == looped
    said = [[one.partition(":")[0] for one in row.decisions] for row in rows[4:7]]
    assert [[], ["warn"], ["downgrade"]] == said


class NoCounters:
    """A store that is down."""

    trouble = "down"

    def __init__(self) -> None:
        self.settled: list[tuple[int, ...]] = []

    def reserve(self, hold):
        raise CountersUnavailable("the store is down")

    def settle(self, hold, amounts):
        self.settled.append(tuple(amounts))


@pytest.mark.parametrize(("more", "status"), [("", 503), ('on_failure = "open"', 200), ('mode = "soft"', 200)])
def test_store_is_down(gateway_for, provider, more, status):
    """Hard budgets are closed and soft ones open while the store is down, unless configured; the truth is kept."""
    with gateway_for(provider, top=budget("1.00", more=more)) as gateway:
        down = gateway.gateway.counters = NoCounters()
        got = ask(gateway)
        row = gateway.recorder.wait(1)[0]

    assert status == got.status
    if status == 200:
        assert [(COST,)] == down.settled
        assert any(one.startswith("admitted unchecked") for one in row.decisions)
    else:
        assert ("budget_unavailable", "1") == (error_of(got)["code"], got.headers["retry-after"])


def test_stop(gateway_for):
    """A budget that stops lets a stream begin, and ends it as its output cap would where its hold is used up."""
    words = {"id": "c", "model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {"content": "word " * 8}}]}
    turn = threading.Semaphore()

    def script(connection, _request):
        stream_head(connection)
        while turn.acquire(timeout=20):
            try:
                send_chunk(connection, b"data: " + json.dumps(words).encode() + b"\n\n")
            except OSError:
                return

    body = chat(max_tokens=16_000, stream=True, stream_options={"include_usage": True})
    got = b""
    with (
        ScriptedProvider(script) as provider,
        gateway_for(provider, top=budget("0.001", more='when_short = "stop"')) as gateway,
        RawClient(gateway.port) as client,
    ):
        client.request("/v1/chat/completions", body, **AUTH)
        head = client.head()
        while chunk := client.chunk():
            got += chunk
            turn.release()
        row = gateway.recorder.wait(1)[0]
        turn.release()
        turn.release()

    events = [one.removeprefix(b"data: ") for one in got.strip().split(b"\n\n")]
    assert (200, b"") == (head.status, chunk)
    assert b"[DONE]" == events[-1]
    assert "length" == json.loads(events[-2])["choices"][0]["finish_reason"]
    assert (Outcome.CUT, "estimated") == (row.outcome, row.usage_status.value)
    assert parse_usd("0.0008") < row.cost <= parse_usd("0.001")
    assert body == provider.received[0].body
