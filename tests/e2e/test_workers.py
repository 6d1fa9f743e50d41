"""Several workers behind one port, as a user runs them: no row lost or doubled, every signal reaches all of them."""

import asyncio
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from support.comparison import compare, read_account
from support.serving import ServedGateway, children_of
from support.traffic import Call, Outcomes, calls, drive

pytestmark = pytest.mark.timeout(300)

MIXED, BUSY, SLOW = 500, 16, 24
"""Quick calls, how many of them at a time, and slow ones beside them."""

KEY = {"authorization": "Bearer vk-e2e", "content-type": "application/json"}


@pytest.fixture
def provider(tmp_path):
    """A simulated provider whose account is ``tmp_path / "account.jsonl"``."""
    settings = SimulatorSettings(latency_scale=0.1, account_file=str(tmp_path / "account.jsonl"))
    with SimulatorProcess(settings) as provider:
        yield provider


def test_kill_9_of_a_worker(tmp_path, provider):
    """A worker that is killed under load loses no settled row and doubles none, while the others go on.

    What it had in flight is in the ledger as interrupted long before the gateway ends, and it is started again.
    """
    gateway = started(tmp_path, provider, workers=4)
    outcomes = Outcomes()
    victim = gateway.worker_pids()["w2"]
    killer = threading.Thread(target=_kill_after, args=(victim, outcomes, 100))
    killer.start()
    asyncio.run(_drive_both(gateway, outcomes))
    killer.join()
    gateway.until(lambda: len(gateway.worker_pids()) == 4, "the worker's return")
    gateway.until(lambda: _has_interrupted(gateway), "the end of its calls")
    figures = [_figure(gateway, name) for name in ("worker_restarts", "calls")]
    returned = gateway.worker_pids()["w2"]
    status = gateway.stop()
    rows = gateway.rows()
    found = compare(rows, read_account(tmp_path / "account.jsonl"))
    settled = {row.call_id for row in rows if row.outcome != "interrupted"}

    assert 0 == status, gateway.log()
    assert [] == found.faults
    assert set(outcomes.complete) <= settled
    assert 0 < len(found.interrupted) <= SLOW + BUSY
    assert len(found.unmatched_entries) <= len(found.interrupted)
    assert MIXED + SLOW == len(outcomes.complete) + outcomes.broken
    assert outcomes.broken <= SLOW + BUSY
    assert 1 == figures[0]
    assert MIXED - 150 < figures[1] <= MIXED + SLOW
    assert victim != returned


def test_signals_reach_all(tmp_path, provider):
    """The banner is printed once, a reload reaches every worker, Ctrl-C ends all processes after their last answer."""
    gateway = started(tmp_path, provider, workers=2)
    family = [gateway.pid, *children_of(gateway.pid)]
    gateway.send(signal.SIGHUP)
    gateway.until(lambda: 2 == _figure(gateway, "config_reloads"), "the reload of both workers")
    gateway.config.write_text(gateway.config.read_text() + "\n[tags]\nrequired = ['team']\n")
    gateway.until(lambda: 4 == _figure(gateway, "config_reloads"), "the reload of the changed file")
    outcomes, caller = calling(gateway, 12, latency_ms=3000)
    status, ready = gateway.get("/readyz")
    gateway.send(signal.SIGINT)
    exit_status = gateway.wait()
    caller.join()

    assert (200, {"ready": True, "reasons": []}) == (status, json.loads(ready))
    assert 0 == exit_status, gateway.log()
    assert 1 == gateway.log().count("Bursar listens")
    assert [200] * 12 == list(outcomes.complete.values())
    assert 4 == len(family)
    assert [] == _still_there(family)
    assert ["success"] * 12 == [row.outcome for row in gateway.rows()]


def test_supervisor_is_killed(tmp_path, provider):
    """Workers and ledger end by themselves when the supervisor is killed, and what was in flight is settled first."""
    gateway = started(tmp_path, provider, workers=2)
    family = children_of(gateway.pid)
    outcomes, caller = calling(gateway, 8, latency_ms=3000)
    gateway.kill()
    caller.join()
    gateway.until(lambda: not _still_there(family), "the end of all processes")

    assert [200] * 8 == list(outcomes.complete.values())
    assert ["success"] * 8 == [row.outcome for row in gateway.rows()]


def test_second_signal_cuts(tmp_path, provider):
    """A second signal cuts the calls of all workers, which are recorded as cut."""
    gateway = started(tmp_path, provider, workers=2)
    outcomes, caller = calling(gateway, 8, latency_ms=60_000)
    gateway.send(signal.SIGTERM)
    gateway.until(lambda: not gateway.is_answering(), "the end of listening")
    gateway.send(signal.SIGTERM)
    status = gateway.wait()
    caller.join()

    assert 0 == status, gateway.log()
    assert {} == outcomes.complete
    assert ["cut"] * 8 == [row.outcome for row in gateway.rows()]


def started(folder: Path, provider: SimulatorProcess, *, workers: int) -> ServedGateway:
    """A gateway all of whose workers serve."""
    gateway = ServedGateway(folder, provider.base_url, workers=workers)
    gateway.start()
    gateway.until(lambda: "Bursar listens" in gateway.log(), "the start of all workers")
    return gateway


def calling(gateway: ServedGateway, count: int, *, latency_ms: int) -> tuple[Outcomes, threading.Thread]:
    """So many calls, all of which a provider is working on, and the thread that waits for their answers."""
    outcomes = Outcomes()

    def call() -> None:
        traffic = _slow(count, latency_ms=latency_ms)
        asyncio.run(drive(traffic, gateway.port, concurrency=count, outcomes=outcomes))

    caller = threading.Thread(target=call)
    caller.start()
    gateway.until(lambda: count == _figure(gateway, "calls_in_flight"), "the opening of all calls")
    return outcomes, caller


async def _drive_both(gateway: ServedGateway, outcomes: Outcomes) -> None:
    """Slow calls, so that every worker has some in flight at any time, and many quick ones."""
    slow = drive(_slow(SLOW, latency_ms=4000), gateway.port, concurrency=SLOW, outcomes=outcomes)
    await asyncio.gather(slow, drive(calls(3, MIXED), gateway.port, concurrency=BUSY, outcomes=outcomes))


def _kill_after(pid: int, outcomes: Outcomes, complete: int) -> None:
    while len(outcomes.complete) < complete:
        threading.Event().wait(0.002)
    os.kill(pid, signal.SIGKILL)


def _figure(gateway: ServedGateway, name: str) -> float:
    """A figure of `/metrics`, labels summed."""
    _, text = gateway.get("/metrics")
    pattern = rf"^bursar_{name}(?:_total)?(?:{{.*}})? (.+)$"
    return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))


def _has_interrupted(gateway: ServedGateway) -> bool:
    status, text = gateway.get("/api/v1/report?by=team&since=1h")
    return status == 200 and sum(group["interrupted_requests"] for group in json.loads(text)) > 0


def _slow(count: int, *, latency_ms: int) -> Iterator[Call]:
    """Calls whose answers take so long to begin."""
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Tell me."}]}
    headers = KEY | {"x-bursar-team": "search", "x-sim-latency-ms": str(latency_ms)}
    for number in range(count):
        yield Call(number, "/v1/chat/completions", json.dumps(body).encode(), headers)


def _still_there(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
