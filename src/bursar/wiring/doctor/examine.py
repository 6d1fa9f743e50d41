"""All checks, in the order in which one thing rests on another."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from bursar.clock import Clock
from bursar.config import Config
from bursar.errors import ConfigError, LedgerUnavailable
from bursar.gateway.state import Snapshot
from bursar.ledger.client import connect
from bursar.ledger.questions import HealthQuestion
from bursar.wiring import environment
from bursar.wiring.doctor.books import counter_checks, ledger_checks, price_checks
from bursar.wiring.doctor.finding import Finding, fail, ok
from bursar.wiring.doctor.setup import (
    control_checks,
    folder_checks,
    gateway_checks,
    provider_checks,
    snapshot_check,
)
from bursar.wiring.running import RunningGateway


def examine(path: Path | None, environ: Mapping[str, str], clock: Clock) -> Iterator[Finding]:
    """Every finding about a configuration and its data."""
    try:
        config, source = environment.read_config(path, environ)
    except ConfigError as wrong:
        yield fail("configuration", str(wrong))
        return
    yield ok("configuration", str(source) if source is not None else "built-in: there is no bursar.toml")
    data_dir = environment.data_dir(config, source)
    yield from folder_checks(data_dir)
    yield from control_checks(config, data_dir, clock)
    gateway = RunningGateway(config, data_dir)
    yield from gateway_checks(gateway)
    found = snapshot_check(config, data_dir, environ, clock)
    if isinstance(found, Finding):
        yield found
        return
    yield ok("settings", f"{len(found.rules.by_name):,} budgets, configuration {found.digest}")
    yield from provider_checks(config, found)
    yield from _book_checks(config, data_dir, found, gateway, clock)


def _book_checks(
    config: Config, data_dir: Path, snapshot: Snapshot, gateway: RunningGateway, clock: Clock
) -> Iterator[Finding]:
    try:
        with closing(connect(data_dir, config.ledger, clock=clock)) as ledger:
            yield from ledger_checks(ledger.ask(HealthQuestion()))
            yield from price_checks(snapshot.catalog, ledger, now_us=clock.now_us())
            yield from counter_checks(gateway, snapshot.rules, ledger, now_us=clock.now_us())
    except LedgerUnavailable as away:
        yield fail("ledger", str(away))
