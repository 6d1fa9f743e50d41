"""The ledger equals the provider's own record, under faults, hang-ups and kill -9."""

import asyncio
import threading

import pytest

from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from support.comparison import compare, read_account
from support.serving import ServedGateway
from support.traffic import Outcomes, calls, drive

pytestmark = pytest.mark.timeout(300)

FAULTS = {
    "error_rate": 0.03,
    "rate_limit_rate": 0.03,
    "retry_after_s": 0,
    "reset_rate": 0.03,
    "malformed_usage_rate": 0.02,
    "missing_usage_rate": 0.02,
}


def test_ledger_equals_the_provider(tmp_path):
    """After mixed traffic with errors, resets, lost usage and hang-ups, every row agrees to the picodollar."""
    account = tmp_path / "account.jsonl"
    settings = SimulatorSettings(latency_scale=0.02, account_file=str(account), seed=7, **FAULTS)
    with SimulatorProcess(settings) as provider:
        gateway = ServedGateway(tmp_path, provider.base_url)
        gateway.start()
        outcomes = Outcomes()
        asyncio.run(drive(calls(1, 800, hangup_rate=0.1), gateway.port, concurrency=16, outcomes=outcomes))
        status = gateway.stop()
        rows = gateway.rows()
    found = compare(rows, read_account(account))

    assert 0 == status, gateway.log()
    assert [] == found.faults
    assert [] == found.unmatched_entries
    assert [] == found.interrupted
    assert 800 == len({row.call_id for row in rows})
    assert set(outcomes.complete) <= {row.call_id for row in rows}
    assert found.exact > 500
    assert outcomes.left > 20
    assert found.estimated > 10


def test_kill_9_under_load(tmp_path):
    """A killed gateway loses no settled row and doubles none; what was in flight is interrupted, with its bound."""
    account = tmp_path / "account.jsonl"
    with SimulatorProcess(SimulatorSettings(latency_scale=0.1, account_file=str(account))) as provider:
        gateway = ServedGateway(tmp_path, provider.base_url)
        outcomes = Outcomes()
        traffic = calls(2, 900)
        for _ in range(2):
            gateway.start()
            before = len(outcomes.complete)
            killer = threading.Thread(target=_kill_after, args=(gateway, outcomes, before + 200))
            killer.start()
            asyncio.run(drive(_until_dead(traffic, gateway), gateway.port, concurrency=12, outcomes=outcomes))
            killer.join()
        gateway.start()
        asyncio.run(drive(traffic, gateway.port, concurrency=12, outcomes=outcomes))
        gateway.stop()
        rows = gateway.rows()
    found = compare(rows, read_account(account))
    settled = {row.call_id for row in rows if row.outcome != "interrupted"}

    assert [] == found.faults
    assert set(outcomes.complete) <= settled
    assert 0 < len(found.interrupted) <= 24
    assert len(found.unmatched_entries) <= len(found.interrupted)


def _kill_after(gateway, outcomes, complete):
    while len(outcomes.complete) < complete:
        threading.Event().wait(0.005)
    gateway.kill()


def _until_dead(traffic, gateway):
    for call in traffic:
        yield call
        if gateway.is_dead():
            return
