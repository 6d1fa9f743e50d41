"""One gateway for all clients: every dialect in front of one simulated provider, and again in front of a slow one."""

from collections.abc import Iterator

import pytest

from bursar.simulator.settings import SimulatorSettings
from support.books import PROVIDER_ID, PROVIDER_KEY, Books
from support.gateway import GatewayThread
from support.simulator import RunningSimulator, simulator

KEY = "vk-clients"

ENVIRON = {
    "VIRTUAL_KEY": KEY,
    "PROVIDER_KEY": PROVIDER_KEY,
    "AWS_ID": PROVIDER_ID,
    "AWS_SECRET": "provider-secret",
}

QUICK = SimulatorSettings(latency_scale=0, retry_after_s=0)
"""Answers at once, and never asks for patience: the gateway would let it rest, and other tests with it."""

SLOW = SimulatorSettings(first_token_ms=1, first_token_sigma=0, token_ms=4, token_sigma=0, retry_after_s=0)
"""Slow enough that a client can leave in the middle of an answer, 4 ms a token."""


@pytest.fixture(scope="session")
def provider() -> Iterator[RunningSimulator]:
    """The simulated provider behind the gateway, which clients may also ask directly."""
    with simulator(QUICK) as running:
        yield running


@pytest.fixture(scope="session")
def slow_provider() -> Iterator[RunningSimulator]:
    """A simulated provider whose answers take their time."""
    with simulator(SLOW) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(
    provider: RunningSimulator, slow_provider: RunningSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayThread]:
    """The gateway, with one virtual key."""
    config = [
        '[[keys]]\nname = "clients"\nkey = "env:VIRTUAL_KEY"\nteam = "search"\n',
        *_providers(provider.base_url, prefix=""),
        *_providers(slow_provider.base_url, prefix="slow-"),
        _provider("own", "anthropic", provider.base_url, ""),
        _provider("bedrock-token", "bedrock", provider.base_url, 'api_key = "env:PROVIDER_KEY"'),
    ]
    with GatewayThread("\n".join(config), tmp_path_factory.mktemp("gateway"), environ=ENVIRON) as running:
        yield running


@pytest.fixture
def books(gateway: GatewayThread, provider: RunningSimulator, slow_provider: RunningSimulator) -> Books:
    """What this test made the gateway record, to be held against the provider's account."""
    return Books(gateway, provider, slow_provider)


def _providers(base_url: str, *, prefix: str) -> list[str]:
    key = 'api_key = "env:PROVIDER_KEY"'
    signed = 'access_key_id = "env:AWS_ID"\nsecret_access_key = "env:AWS_SECRET"\nregion = "us-east-1"'
    return [
        _provider(f"{prefix}openai", "openai", f"{base_url}/v1", key),
        _provider(f"{prefix}anthropic", "anthropic", base_url, key),
        _provider(f"{prefix}gemini", "gemini", base_url, key),
        _provider(f"{prefix}azure", "azure", base_url, key),
        _provider(f"{prefix}bedrock", "bedrock", base_url, signed),
        _provider(f"{prefix}mistral", "mistral", f"{base_url}/v1", key),
    ]


def _provider(name: str, dialect: str, base_url: str, credential: str) -> str:
    return f'[[providers]]\nname = "{name}"\ndialect = "{dialect}"\nbase_url = "{base_url}"\n{credential}\n'
