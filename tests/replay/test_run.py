"""A replay sends what the trace says and sums up what came back."""

import asyncio
import os
import signal
from collections.abc import Iterable

import pytest

from bursar.replay.run import Progress, ReplaySettings, replay, run_replay
from bursar.replay.summary import Outcome, Summary, Tally, percentiles
from bursar.replay.trace_request import TraceRequest
from bursar.simulator.settings import SimulatorSettings
from support.simulator import RunningSimulator, simulator


def traced(count: int, **more: object) -> list[TraceRequest]:
    """A trace of equal requests, a hundredth of a second apart."""
    return [TraceRequest(at_s=number / 100, input_tokens=50, output_tokens=7, **more) for number in range(count)]


def played(provider: RunningSimulator, requests: Iterable[TraceRequest], **more: object) -> Summary:
    """The summary of a replay straight at the simulated provider."""
    settings = ReplaySettings(base_url=provider.base_url, key="k", **{"speed": 0.0, **more})

    async def run() -> Summary:
        return await replay(requests, settings, stop=asyncio.Event())

    return asyncio.run(run())


@pytest.fixture
def provider():
    """A simulated provider."""
    with simulator() as running:
        yield running


def test_counts(provider: RunningSimulator):
    """Tokens add up to the trace's and to the provider's own account, streamed and whole."""
    summary = played(provider, traced(30))

    quantities = provider.account.summary().quantities
    assert (summary.requests, summary.succeeded, summary.errors) == (30, 30, {})
    assert (summary.input_tokens, summary.output_tokens) == (1500, 210)
    assert quantities == {"input_text": 1500, "output_text": 210}
    assert 10 <= sum(entry.stream for entry in provider.entries(30)) <= 20


def test_claude_session(provider: RunningSimulator):
    """A growing session reads its prefix from the cache."""
    turns = [
        TraceRequest(
            at_s=0.0,
            input_tokens=64 * blocks + 10,
            output_tokens=5,
            model="claude-haiku-4-5",
            prefix_blocks=tuple(range(blocks)),
            block_tokens=64,
            scope="s",
            task="s",
        )
        for blocks in (40, 50, 60)
    ]
    summary = played(provider, turns, concurrency=1)

    assert summary.input_tokens == sum(turn.input_tokens for turn in turns)
    assert summary.cached_tokens == 2048 + 3072


def test_errors_by_kind():
    """Errors are counted by kind and do not stop the replay."""
    with simulator(SimulatorSettings(latency_scale=0, rate_limit_rate=0.5, reset_rate=0.5, seed=3)) as provider:
        summary = played(provider, traced(40))

    assert summary.succeeded == 0
    assert set(summary.errors) == {"http 429", "reset"}
    assert sum(summary.errors.values()) == 40


def test_nobody_there():
    """Without a gateway every request fails as a failed connection."""
    settings = ReplaySettings(base_url="http://127.0.0.1:9", key="k", speed=0)

    async def run() -> Summary:
        return await replay(traced(3), settings, stop=asyncio.Event())

    assert asyncio.run(run()).errors == {"connect": 3}


def test_stop(provider: RunningSimulator):
    """A stop ends a replay whose next request is an hour away, with what there is."""
    requests = [*traced(2), TraceRequest(at_s=3600.0, input_tokens=5, output_tokens=5)]
    settings = ReplaySettings(base_url=provider.base_url, key="k", speed=1)

    async def run() -> Summary:
        stop = asyncio.Event()

        def watch(progress: Progress) -> None:
            if progress.done == 2:
                stop.set()

        return await replay(requests, settings, stop=stop, on_progress=watch)

    summary = asyncio.run(run())

    assert (summary.requests, summary.interrupted) == (2, True)


def test_stop_lets_go_of_slow_answers():
    """Answers that do not come within the grace count as interrupted."""
    slow = SimulatorSettings(first_token_ms=3_600_000, first_token_sigma=0)
    with simulator(slow) as provider:
        settings = ReplaySettings(base_url=provider.base_url, key="k", speed=0, grace_s=0)

        async def run() -> Summary:
            stop = asyncio.Event()
            return await replay(traced(2), settings, stop=stop, on_progress=lambda now: now.sent == 2 and stop.set())

        summary = asyncio.run(run())

    assert summary.errors == {"interrupted": 2}


def test_ctrl_c(provider: RunningSimulator):
    """SIGINT stops a replay cleanly."""
    requests = [*traced(1), TraceRequest(at_s=3600.0, input_tokens=5, output_tokens=5)]
    settings = ReplaySettings(base_url=provider.base_url, key="k")

    summary = run_replay(
        requests, settings, on_progress=lambda now: now.done == 1 and os.kill(os.getpid(), signal.SIGINT)
    )

    assert (summary.succeeded, summary.interrupted) == (1, True)


def test_tags_and_task_reach_the_gateway(provider: RunningSimulator):
    """Tags and the task travel as headers."""
    played(provider, traced(1, tags=(("team", "search"),), task="t1"))

    assert {"x-bursar-tag-team", "x-bursar-task", "x-bursar-stream-cost"} <= set(provider.last().header_names)


def test_percentiles():
    """Percentiles are nearest-rank, in milliseconds."""
    found = percentiles([number / 1000 for number in range(1, 101)])

    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (50.0, 95.0, 99.0)
    assert percentiles([]) is None


def test_unknown_is_not_zero():
    """Answers without usage or cost are counted as such."""
    tally = Tally()
    tally.add(
        Outcome(
            error=None,
            input_tokens=None,
            output_tokens=None,
            cached_tokens=0,
            cost_pico=None,
            first_byte_s=0.1,
            total_s=0.2,
            added_s=None,
        )
    )
    summary = tally.summary(duration_s=1.0, interrupted=False)

    assert (summary.tokens_unknown, summary.cost_unknown, summary.cost_usd, summary.added) == (1, 1, None, None)
