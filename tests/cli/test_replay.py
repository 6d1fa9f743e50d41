"""`bursar replay`, through a gateway in front of a simulated provider."""

import os
import signal
import threading
from pathlib import Path

import pytest

from bursar.catalog.compiled import packaged_path, write_sheet
from support.commands import LISTED
from support.gateway import GatewayThread
from support.simulator import simulator

TRACE = "at_s,input_tokens,output_tokens,model\n" + "".join(f"{number},40,3,mini\n" for number in range(6))

SIMULATED = '[[providers]]\nname = "openai"\ndialect = "openai"\nsimulated = true\n'


@pytest.fixture
def trace(tmp_path) -> Path:
    """A trace of six requests, a second apart."""
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path


@pytest.fixture
def provider():
    """A simulated provider."""
    with simulator() as running:
        yield running


@pytest.fixture
def gateway(tmp_path, provider):
    """A gateway with one virtual key, in front of the simulated provider."""
    config = (
        f'[[providers]]\nname = "openai"\ndialect = "openai"\nbase_url = "{provider.base_url}/v1"\n'
        'api_key = "env:PROVIDER"\nsimulated = true\n[[keys]]\nname = "load"\nkey = "env:LOAD"\nteam = "load"\n'
    )
    folder = tmp_path / "gateway"
    write_sheet(packaged_path(folder), LISTED)
    with GatewayThread(config, folder, environ={"PROVIDER": "sk", "LOAD": "vk-load"}) as running:
        yield running


@pytest.fixture
def replay(bursar, gateway, trace, monkeypatch):
    """Run a replay against that gateway as fast as it answers."""
    bursar.configure(SIMULATED)
    monkeypatch.setenv("REPLAY_KEY", "vk-load")
    arguments = ("replay", str(trace), "--url", gateway.url, "--speed", "0", "--key", "env:REPLAY_KEY")
    return lambda *more: bursar(*arguments, *more)


def test_summary(replay):
    """Requests, tokens, spend and the latency that the gateway added, for people."""
    result = replay("--stream-share", "0")

    assert (0, "") == (result.code, result.err)
    first, tokens, spend, *_, head, added, _, _ = result.out.splitlines()
    assert first.startswith("6 requests in ")
    assert first.endswith("6 succeeded.")
    assert tokens == "240 input tokens (0 of them cached), 18 output tokens."
    assert spend == "$0.0000468 spent."
    assert (["latency", "p50", "ms"], "added") == (head.split()[:3], added.split()[0])


def test_json_and_csv(replay):
    """The same figures as one flat object and as CSV."""
    (told,) = replay("--stream-share", "0", "--format", "json").json()
    (row,) = replay("--stream-share", "0", "--format", "csv").csv()

    assert (6, 6, 0, "0.0000468", 240, 18, False) == tuple(
        told[name]
        for name in (
            "requests",
            "succeeded_requests",
            "errors",
            "cost_usd",
            "input_tokens",
            "output_tokens",
            "interrupted",
        )
    )
    assert ("6", "0.0000468") == (row["requests"], row["cost_usd"])
    assert row.keys() == told.keys()


def test_limit_tags_and_streams(replay, gateway):
    """The first requests only, each with the tags that were given."""
    replay("--limit", "2", "--tag", "feature=load test", "--tag", "environment=dev", "--stream-share", "1")
    rows = gateway.recorder.wait(2)

    assert [("load", True, (("environment", "dev"), ("feature", "load test")))] * 2 == [
        (row.facts.principal.team, row.facts.stream, row.facts.tags) for row in rows
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [(SIMULATED, True), (SIMULATED.replace("simulated = true", 'api_key = "env:K"'), False), ("", False)],
    ids=["simulated", "real", "unknown"],
)
def test_steering_is_for_simulated_providers(replay, bursar, provider, settings, told):
    """Only where every provider is simulated is one told how much to answer."""
    bursar.configure(settings)
    replay("--limit", "1")

    assert told == ("x-sim-output-tokens" in provider.last().header_names)


def test_errors_by_kind(replay):
    """Nothing succeeded: the answer is no, and the errors are counted by kind."""
    result = replay("--key", "env:HOME")

    assert 1 == result.code
    assert "6 × http 401" in result.out
    assert "Spend unknown." in result.out


def test_interrupted(replay, gateway):
    """Ctrl-C stops, sums up what there is, and exits 130."""

    def interrupt():
        gateway.recorder.wait(1)
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    result = replay("--speed", "0.001")
    waiting.join()

    assert 130 == result.code
    assert result.out.splitlines()[0].endswith("1 succeeded, stopped half-way.")


def test_no_gateway(bursar, trace):
    """Where nobody answers it says so and exits 3."""
    result = bursar("replay", str(trace), "--url", "http://127.0.0.1:9")

    assert (3, "") == (result.code, result.out)
    assert "no gateway answers at http://127.0.0.1:9" in result.err
    assert "bursar serve" in result.err


def test_own_address(bursar, trace):
    """Without --url the configuration says where the gateway is."""
    bursar.configure('[server]\nport = 9\nhost = "::1"\n')

    assert "no gateway answers at http://[::1]:9" in bursar("replay", str(trace)).err


def test_something_else_answers(bursar, trace):
    """A server that is no gateway is told from one."""
    with simulator() as provider:
        result = bursar("replay", str(trace), "--url", provider.base_url)

    assert 3 == result.code
    assert "is no healthy gateway: /healthz said" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--url", "127.0.0.1:4100"), "is no address like http://127.0.0.1:4100"),
        (("--key", "vk-plain"), "write the secret as 'env:NAME' or 'file:PATH'"),
        (("--key", "env:BURSAR_TEST_UNSET"), "--key: environment variable BURSAR_TEST_UNSET is not set"),
        (("--tag", "feature"), "'feature' is not NAME=VALUE"),
        (("--stream-share", "2"), "2.0 is not in the range"),
        (("--speed", "-1"), "-1.0 is not in the range"),
    ],
)
def test_wrong_usage(replay, arguments, message):
    """What cannot be used exits 2 before anything is sent."""
    result = replay(*arguments)

    assert (2, "") == (result.code, result.out)
    assert message in result.err


def test_unreadable_trace(replay, trace, gateway):
    """A trace that breaks in the middle is refused before its first request is sent."""
    trace.write_text(TRACE + "7,many,3,mini\n")
    result = replay()

    assert 2 == result.code
    assert "many" in result.err
    assert gateway.gateway.counts.calls == 0
