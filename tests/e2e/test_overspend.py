"""A hard budget with several workers and through kill -9: never overspent, and nothing stays held."""

import pytest

from bursar.money import parse_usd
from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from support.pressing import BUDGET, press_on, requests, spend_of
from support.serving import ServedGateway

pytestmark = pytest.mark.timeout(300)

LIMIT = parse_usd("1.00")


@pytest.fixture
def provider():
    with SimulatorProcess(SimulatorSettings(latency_scale=0.05)) as provider:
        yield provider


def test_four_workers(tmp_path, provider):
    """Four workers grant from one store what one would: all that fits, and nothing more."""
    gateway = ServedGateway(tmp_path, provider.base_url, workers=4, extra=BUDGET)
    gateway.start()
    pressed = press_on(gateway, requests(11, 400, hangup_rate=0.1))
    status = gateway.stop()
    spent, charged, refused = spend_of(gateway.rows())

    assert 0 == status, gateway.log()
    assert spent <= charged <= LIMIT
    assert 0 < pressed.refused_at_last < 400
    assert all(charged + row.bound > LIMIT for row in refused[: pressed.refused_at_last])


def test_a_worker_is_killed(tmp_path, provider):
    """What a killed worker held returns with its lease, and what it had spent does not."""
    gateway = ServedGateway(tmp_path, provider.base_url, workers=4, extra=BUDGET)
    gateway.start()
    pressed = press_on(gateway, requests(12, 400), kill=lambda: gateway.kill_worker("w2"))
    gateway.stop()
    spent, charged, refused = spend_of(gateway.rows())

    assert spent <= charged <= LIMIT
    assert 0 < pressed.refused_at_last
    assert all(charged + row.bound > LIMIT for row in refused[: pressed.refused_at_last])


def test_the_gateway_is_killed(tmp_path, provider):
    """A gateway that is killed and started again knows what was spent, and holds nothing for the dead."""
    gateway = ServedGateway(tmp_path, provider.base_url, extra=BUDGET)
    gateway.start()
    with pytest.raises(OSError, match="refused"):
        press_on(gateway, requests(13, 300), kill=gateway.kill)
    gateway.start()
    pressed = press_on(gateway, requests(14, 300))
    gateway.stop()
    spent, charged, refused = spend_of(gateway.rows())

    assert spent <= charged <= LIMIT
    assert 0 < pressed.refused_at_last
    assert all(charged + row.bound > LIMIT for row in refused[: pressed.refused_at_last])
