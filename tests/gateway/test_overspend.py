"""A hard budget under hundreds of requests at once: never overspent, and hardly anything left unused."""

import asyncio

import pytest

from bursar.money import parse_usd
from bursar.simulator.settings import SimulatorSettings
from support.books import PROVIDER_KEY
from support.gateway import GatewayThread
from support.pressing import Pressed, press, requests
from support.simulator import simulator

LIMIT = parse_usd("1.00")
ENVIRON = {"VIRTUAL_KEY": "vk-e2e", "PROVIDER_KEY": PROVIDER_KEY}
FAULTS = {"error_rate": 0.03, "reset_rate": 0.03, "malformed_usage_rate": 0.02, "missing_usage_rate": 0.02}


def config_over(base_url: str, more: str) -> str:
    providers = "".join(
        f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{base_url}{base}"\n'
        f'api_key = "env:PROVIDER_KEY"\n{region}'
        for name, base, region in (
            ("openai", "/v1", ""),
            ("anthropic", "", ""),
            ("gemini", "", ""),
            ("bedrock", "", 'region = "us-east-1"\n'),
        )
    )
    key = '[[keys]]\nname = "e2e"\nkey = "env:VIRTUAL_KEY"\nteam = "search"\n'
    budget = '[[budgets]]\nname = "dollar"\nmatch = {team = "search"}\nlimit_usd = "1.00"\nperiod = "total"\n'
    return providers + key + budget + more


def wait_idle(gateway: GatewayThread) -> None:
    gateway.until(lambda: not gateway.gateway.in_flight, timeout=60)


@pytest.mark.parametrize(
    ("seed", "hangup_rate", "faults", "more"),
    [
        (1, 0.0, {}, ""),
        (2, 0.2, {}, "[relay]\ndrain_timeout_s = 20\n"),
        (3, 0.2, FAULTS, "[relay]\ndrain_timeout_s = 0\n"),
        (4, 0.0, {"slow_first_byte_rate": 0.1, "slow_first_byte_ms": 5000}, "[relay]\nfirst_byte_timeout_s = 0.5\n"),
    ],
    ids=["plain", "clients-leave", "faults", "provider-times-out"],
)
def test_a_dollar(tmp_path, seed, hangup_rate, faults, more):
    """Settled spend stays within the limit, so does what unknown costs may have been, and what was refused at the end
    would not have fitted.
    """
    settings = SimulatorSettings(seed=seed, latency_scale=0.05, **faults)
    pressed = Pressed()
    with (
        simulator(settings) as provider,
        GatewayThread(config_over(provider.base_url, more), tmp_path, environ=ENVIRON) as gateway,
    ):
        calls = list(requests(seed, 400, hangup_rate=hangup_rate))
        asyncio.run(press(calls, gateway.port, until_idle=lambda: wait_idle(gateway), pressed=pressed))
        rows = [row for row in gateway.recorder.settled if row.error != "budget_exceeded"]
        refused = gateway.recorder.settled[-pressed.refused_at_last :]
    spent = sum(row.cost or 0 for row in rows)
    charged = sum(row.cost if row.cost is not None else row.facts.bound for row in rows)

    assert spent <= charged <= LIMIT
    assert 0 < pressed.refused_at_last < 400
    assert {"budget_exceeded"} == {row.error for row in refused}
    assert all(charged + row.facts.bound > LIMIT for row in refused)
    assert all(row.cost is None or row.cost <= row.facts.bound for row in rows)
