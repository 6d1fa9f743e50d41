"""From a configuration to what the data plane runs on: targets, routes, keys, catalog, all in one snapshot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from bursar.catalog.load import load_catalog
from bursar.clock import Clock
from bursar.config import Config, DialectName, Provider
from bursar.control.rules import rules_of
from bursar.dialects.base import Dialect
from bursar.dialects.registry import dialect_for
from bursar.errors import ConfigError
from bursar.gateway.routes import build_routes
from bursar.gateway.state import Snapshot
from bursar.gateway.targets import Target, build_target, default_base_url
from bursar.policy.identity import Keyring, KeyStore, build_keyring
from bursar.policy.network import parse_networks
from bursar.policy.tag_rules import TagRules
from bursar.upstream import ClientSettings, Timeouts
from bursar.wiring.alerting import hooks_of
from bursar.wiring.aws import bedrock_signer
from bursar.wiring.control import ControlLink
from bursar.wiring.environment import secret

_SIMULATED_PATHS: Final[Mapping[str, str]] = {"anthropic": "", "gemini": "", "azure": "", "bedrock": ""}
"""Below the simulated provider's address, every other dialect's base URL ends in ``/v1``."""

_SIMULATED_KEY: Final = b"simulated"

_LOOPBACK: Final = ("127.", "::1", "localhost")


def build_snapshot(
    config: Config,
    *,
    data_dir: Path,
    environ: Mapping[str, str],
    clock: Clock,
    simulator_url: str | None,
    control: ControlLink | None = None,
) -> Snapshot:
    """Everything a call depends on.

    ``simulator_url`` is the address of the simulated provider, needed when a provider is ``simulated``; ``control``
    is what is made at run time.
    Raises ConfigError on secrets that cannot be resolved and settings that contradict each other.
    """
    dialects = {name: dialect_for(name) for name in get_args(DialectName)}
    targets = {
        one.name: _target(one, dialects[one.dialect], environ=environ, clock=clock, simulator_url=simulator_url)
        for one in config.providers
    }
    if control is not None:
        control.check_names(config)
    keyring = _keyring(config, environ, None if control is None else control.keys)
    if keyring.is_open and not config.server.host.startswith(_LOOPBACK):
        raise ConfigError(
            f"server.host is {config.server.host} and there are no virtual keys: anybody who reaches it could "
            "spend. Add one with `bursar keys create` or [[keys]], or listen on 127.0.0.1"
        )
    relay = config.relay
    rules, digest = rules_of(config, None if control is None else control.state, now_us=clock.now_us())
    return Snapshot(
        config=config,
        digest=digest,
        catalog=load_catalog(config, data_dir, now_us=clock.now_us()),
        keyring=keyring,
        routes=build_routes(targets, dialects),
        tag_rules=_tag_rules(config),
        rules=rules,
        hooks=hooks_of(config, environ),
        timeouts=Timeouts(relay.connect_timeout_s, relay.first_byte_timeout_s, relay.idle_timeout_s),
    )


def _tag_rules(config: Config) -> TagRules:
    try:
        return TagRules(config.tags, config.tag_rules)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def _keyring(config: Config, environ: Mapping[str, str], store: KeyStore | None) -> Keyring:
    keys = []
    for key in config.keys:
        what = f"[[keys]] '{key.name}'"
        previous = secret(key.previous_key, environ, what=f"{what} previous_key") if key.previous_key else None
        keys.append((key, secret(key.key, environ, what=what), previous))
    try:
        proxies = parse_networks(config.server.trusted_proxies)
    except ValueError as wrong:
        raise ConfigError(f"server.trusted_proxies: {wrong}") from None
    try:
        return build_keyring(keys, store=store, trusted_proxies=proxies)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def client_settings(config: Config) -> ClientSettings:
    """The upstream client's settings."""
    relay = config.relay
    return ClientSettings(
        max_connections_per_origin=relay.max_connections_per_origin,
        pool_idle_s=relay.pool_idle_s,
        max_header_bytes=relay.max_response_header_bytes,
        ca_file=relay.ca_file,
        proxy=relay.proxy,
    )


def needs_simulator(config: Config) -> bool:
    """Whether any provider is answered by the built-in simulated one."""
    return any(one.simulated and one.base_url is None for one in config.providers)


def _target(
    provider: Provider, dialect: Dialect, *, environ: Mapping[str, str], clock: Clock, simulator_url: str | None
) -> Target:
    what = f"[[providers]] '{provider.name}'"
    base_url = _base_url(provider, simulator_url)
    if base_url is None:
        wanted = "region" if provider.dialect == "bedrock" else "base_url"
        raise ConfigError(f"{what}: dialect '{provider.dialect}' needs {wanted}")
    api_key = secret(provider.api_key, environ, what=what) if provider.api_key else None
    if provider.simulated and api_key is None:
        api_key = _SIMULATED_KEY
    sign = None
    if provider.dialect == "bedrock" and api_key is None:
        sign = bedrock_signer(provider, base_url, environ, clock)
    try:
        return build_target(provider, dialect, base_url=base_url, api_key=api_key, sign=sign)
    except ValueError as wrong:
        raise ConfigError(f"{what}: {wrong}") from None


def _base_url(provider: Provider, simulator_url: str | None) -> str | None:
    if provider.base_url is not None:
        return provider.base_url
    if not provider.simulated:
        return default_base_url(provider)
    if simulator_url is None:
        raise ConfigError(f"[[providers]] '{provider.name}' is simulated, but no simulated provider is running")
    return simulator_url + _SIMULATED_PATHS.get(provider.dialect, "/v1")
