"""Checks of what a gateway is made of: settings, folder, control state, keys, providers."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from bursar.clock import US_PER_S, Clock, format_us
from bursar.config import Config
from bursar.control.keybook import KeyBook, key_fields
from bursar.control.open import FILE, open_control
from bursar.errors import BursarError, ConfigError, ControlUnavailable, GatewayUnavailable
from bursar.gateway.state import Snapshot
from bursar.when import parse_instant
from bursar.wiring.build import build_snapshot
from bursar.wiring.control import ControlLink
from bursar.wiring.doctor.finding import Finding, fail, ok, warn
from bursar.wiring.running import RunningGateway

LITTLE_SPACE: Final = 1 << 30
NO_SPACE: Final = 100 << 20
"""Free bytes; a hundred megabytes are some two hundred thousand calls."""

EXPIRES_SOON_US: Final = 14 * 24 * 3600 * US_PER_S

_MOST_NAMED: Final = 5

_SIMULATOR: Final = "http://127.0.0.1:9"
"""Stands for a simulated provider that is not running."""

_OWN_CREDENTIALS: Final = ("bedrock", "vllm", "ollama")
"""Dialects that find credentials elsewhere, or need none."""


def folder_checks(data_dir: Path) -> Iterator[Finding]:
    """Whether the data folder can be written to, and for how long."""
    check = "data folder"
    if not data_dir.exists():
        yield ok(check, f"{data_dir} does not exist yet; the first start makes it")
        return
    if not os.access(data_dir, os.W_OK | os.X_OK):
        yield fail(check, f"{data_dir} cannot be written to by this user")
        return
    free = shutil.disk_usage(data_dir).free
    text = f"{data_dir}, {free >> 20:,} MB free"
    if free < NO_SPACE:
        yield fail(check, f"{text}: calls are refused once nothing can be recorded")
    elif free < LITTLE_SPACE:
        yield warn(check, text)
    else:
        yield ok(check, text)


def snapshot_check(config: Config, data_dir: Path, environ: Mapping[str, str], clock: Clock) -> Snapshot | Finding:
    """What a gateway would run on, or why it would not start."""
    try:
        with closing(ControlLink(config, data_dir, clock)) as control:
            return build_snapshot(
                config, data_dir=data_dir, environ=environ, clock=clock, simulator_url=_SIMULATOR, control=control
            )
    except (ConfigError, ControlUnavailable) as wrong:
        return fail("settings", str(wrong))


def control_checks(config: Config, data_dir: Path, clock: Clock) -> Iterator[Finding]:
    """Whether the control state can be read, and which keys end soon."""
    if not (data_dir / FILE).exists():
        yield ok("control state", "none yet; the first start makes it")
        return
    try:
        with closing(open_control(data_dir, clock)) as control:
            version = control.version()
            yield ok("control state", f"{version.keys} changes of keys, {version.rules} of budgets")
            yield from _key_checks(KeyBook(control.keys, config.keys), clock.now_us())
    except ControlUnavailable as failed:
        yield fail("control state", str(failed))


def provider_checks(config: Config, snapshot: Snapshot) -> Iterator[Finding]:
    """Providers that have no credential of their own."""
    if not config.providers:
        yield fail("providers", "none is configured; add one under [[providers]]")
        return
    without = [
        one.name
        for one in config.providers
        if one.api_key is None and not one.simulated and one.dialect not in _OWN_CREDENTIALS
    ]
    if without and snapshot.keyring.is_open:
        yield warn("providers", f"no api_key: {_named(without)}; callers' own credentials are passed on")
    elif without:
        yield warn("providers", f"no api_key: {_named(without)}; callers must send a provider key beside x-bursar-key")
    else:
        yield ok("providers", f"{len(config.providers)} configured, each with a credential or none needed")


def gateway_checks(gateway: RunningGateway) -> Iterator[Finding]:
    """Whether the gateway runs, and what it says of itself."""
    try:
        is_ready, reasons = gateway.readiness()
    except GatewayUnavailable:
        yield ok("gateway", f"none is running at {gateway.address}")
        return
    except BursarError as refused:
        yield warn("gateway", str(refused))
        return
    if not is_ready:
        yield fail("gateway", f"not ready: {'; '.join(reasons)}")
    elif reasons:
        yield warn("gateway", "; ".join(reasons))
    else:
        yield ok("gateway", f"ready at {gateway.address}")


def _key_checks(book: KeyBook, now_us: int) -> Iterator[Finding]:
    count, ending = 0, []
    for key in book.every():
        fields = key_fields(key, now_us=now_us)
        count += 1
        expires = fields["expires_at"]
        if fields["state"] == "enabled" and expires is not None:
            ends_us = parse_instant(expires)
            if ends_us - now_us < EXPIRES_SOON_US:
                ending.append(f"{fields['name']} ({format_us(ends_us)[:10]})")
    if ending:
        yield warn("keys", f"expire within two weeks: {_named(ending)}; `bursar keys rotate` or make successors")
    elif count:
        yield ok("keys", f"{count:,}, none expires within two weeks")
    else:
        yield warn("keys", "none: anybody on this machine may call; `bursar keys create` changes that")


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
