"""From a configuration to what the data plane runs on."""

import pytest

from bursar.config import parse_config
from bursar.errors import ConfigError
from bursar.upstream import Timeouts
from bursar.wiring.build import client_settings, needs_simulator
from support.snapshots import provider, snapshot_of

KEY = '[[keys]]\nname = "k"\nkey = "env:K"\n'


def test_simulated_providers(tmp_path):
    """Simulated providers are reached below the simulator's address, as their SDKs mean it, with a key of its own."""
    text = provider("openai", simulated=True) + provider("gemini", simulated=True)
    targets = snapshot_of(text, tmp_path, simulator_url="http://127.0.0.1:7").routes.named

    assert [("/v1", b"simulated", True), ("", b"simulated", True)] == [
        (one.prefix, one.api_key, one.is_simulated) for one in (targets["openai"], targets["gemini"])
    ]
    assert {7} == {one.origin.port for one in targets.values()}


def test_real_provider(tmp_path):
    """A real provider has its documented address and its resolved key."""
    text = provider("openai", api_key="env:SECRET")
    target = snapshot_of(text, tmp_path, environ={"SECRET": "sk-1"}).routes.named["openai"]

    assert ("api.openai.com", "/v1", b"sk-1", False) == (
        target.origin.host,
        target.prefix,
        target.api_key,
        target.is_simulated,
    )


def test_own_address(tmp_path):
    """A configured address wins, also over the simulator's."""
    text = provider("vllm", base_url="http://10.0.0.7:8000/v1", simulated=True)
    target = snapshot_of(text, tmp_path).routes.named["vllm"]

    assert ("10.0.0.7", 8000, True) == (target.origin.host, target.origin.port, target.is_simulated)


def test_settings_reach_the_data_plane(tmp_path):
    """Timeouts and connection limits are those of [relay]."""
    text = "[relay]\nconnect_timeout_s = 1\nfirst_byte_timeout_s = 2\nidle_timeout_s = 3\npool_idle_s = 4\n"
    config = parse_config(text + "max_connections_per_origin = 5\n", source="test")

    assert Timeouts(1, 2, 3) == snapshot_of(text, tmp_path).timeouts
    assert (4, 5) == (client_settings(config).pool_idle_s, client_settings(config).max_connections_per_origin)


def test_digest_follows_the_configuration(tmp_path):
    """Equal configurations have equal digests, others have others."""
    same = [snapshot_of(provider("openai", simulated=True), tmp_path).digest for _ in range(2)]
    other = snapshot_of(provider("anthropic", simulated=True), tmp_path).digest

    assert same[0] == same[1] != other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (provider("openai", api_key="env:NONE"), r"\[\[providers\]\] 'openai': environment variable NONE is not set"),
        (provider("azure", api_key="env:K"), "'azure': dialect 'azure' needs base_url"),
        (provider("bedrock", api_key="env:K"), "'bedrock': dialect 'bedrock' needs region"),
        (provider("openai", base_url="ftp://x"), r"\[\[providers\]\] 'openai': "),
        (
            provider("bedrock", region="r", access_key_id="env:K"),
            "access_key_id and secret_access_key belong together",
        ),
        ('[[keys]]\nname = "k"\nkey = "env:NONE"\n', r"\[\[keys\]\] 'k': environment variable NONE is not set"),
        (KEY + KEY.replace('"k"', '"l"'), "the same"),
        (f'{KEY}previous_key = "env:NONE"\n', r"\[\[keys\]\] 'k' previous_key: environment variable NONE is not set"),
        (f'{KEY}networks = ["home"]\n', r"\[\[keys\]\] 'k': 'home' is not a network"),
        ('[server]\ntrusted_proxies = ["10.0.0.1/8"]\n', "server.trusted_proxies: '10.0.0.1/8' is not a network"),
        ('[server]\nhost = "0.0.0.0"\n', "there are no .*keys.*anybody who reaches it could spend"),
        ('[[prices]]\nprovider = "acme"\nmodel = "small"\n', r"\[\[prices\]\] entry 1"),
    ],
    ids=[
        "secret",
        "address",
        "region",
        "scheme",
        "half a credential",
        "key",
        "same key twice",
        "previous key",
        "networks",
        "proxies",
        "open",
        "price",
    ],
)
def test_unusable(tmp_path, text, message):
    """What cannot be used is named, and nothing starts with a part of it."""
    with pytest.raises(ConfigError, match=message):
        snapshot_of(text, tmp_path, environ={"K": "value"})


def test_rotated_in_the_file(tmp_path):
    """A key of the file and the one before it lead to the same principal, each with its own end."""
    text = f'{KEY}previous_key = "env:OLD"\nprevious_until = "2030-01-01"\n'
    keyring = snapshot_of(text, tmp_path, environ={"K": "new", "OLD": "old"}).keyring
    new, old = keyring.identify(b"new"), keyring.identify(b"old")

    assert new.principal == old.principal
    assert (None, True) == (new.ends_us, old.ends_us is not None)


def test_open_on_loopback(tmp_path):
    """Without keys a gateway may listen on this machine alone, with keys anywhere."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert snapshot_of(f'[server]\nhost = "{host}"\n', tmp_path).keyring.is_open

    anywhere = snapshot_of(f'[server]\nhost = "0.0.0.0"\n{KEY}', tmp_path, environ={"K": "vk"})
    assert not anywhere.keyring.is_open


def test_simulator_is_needed(tmp_path):
    """A simulator is started for simulated providers without an address of their own, and missed where it is not."""
    bare = provider("openai", simulated=True)
    own = provider("openai", simulated=True, base_url="http://127.0.0.1:1/v1")

    assert [True, False, False] == [
        needs_simulator(parse_config(text, source="test")) for text in (bare, own, provider("openai"))
    ]
    with pytest.raises(ConfigError, match="'openai' is simulated, but no simulated provider is running"):
        snapshot_of(bare, tmp_path, simulator_url=None)
