"""Alerts in a running worker: who looks at what, how often, and whom they tell.

Every worker looks at what its own calls have noted. What must be done once for all of them, worker 1 does: it is
started again when it ends, and nothing is lost meanwhile, because what it looks at is kept in the control state and the
ledger.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import structs

from bursar.config import AlertKind, Config
from bursar.control.state import ControlState
from bursar.errors import ConfigError, ControlUnavailable, LedgerUnavailable
from bursar.gateway.state import Gateway
from bursar.gateway.tasks import TaskGroup
from bursar.ledger.client import AsyncLedgerClient
from bursar.notify.channel import Channel
from bursar.notify.conditions import Conditions
from bursar.notify.histories import Histories
from bursar.notify.sender import Sender, audience_of
from bursar.notify.stores import Probe, Stores
from bursar.notify.usage import Usage
from bursar.notify.watch import Watch
from bursar.notify.webhook import Hook, WebhookChannel
from bursar.policy.rules import Rules
from bursar.wiring.environment import secret

log: Final = logging.getLogger("bursar.alerts")

LOOK_S: Final = 1.0

USAGE_S: Final = 60.0

HISTORIES_S: Final = 5.0

Look = Callable[[], Awaitable[None]]


def hooks_of(config: Config, environ: Mapping[str, str]) -> tuple[Hook, ...]:
    """The webhooks of a configuration; raises ConfigError for what cannot be used."""
    hooks: dict[str, Hook] = {}
    for one in config.webhooks:
        what = f"[[webhooks]] '{one.name}'"
        if one.name in hooks:
            raise ConfigError(f"{what}: two webhooks have that name; names must be unique")
        key = secret(one.secret, environ, what=f"{what} secret") if one.secret else None
        try:
            hooks[one.name] = Hook(one, key)
        except ValueError as wrong:
            raise ConfigError(f"{what}: url: {wrong}") from None
    return tuple(hooks.values())


class Alerting:
    """The looks of one worker."""

    def __init__(
        self, gateway: Gateway, control: ControlState, ledger: AsyncLedgerClient, *, probes: Mapping[str, Probe]
    ) -> None:
        """``probes`` say of each store why it is away."""
        self._gateway: Final = gateway
        self._control: Final = control
        self._ledger: Final = ledger
        self._probes: Final = probes
        self._watch: Final = Watch(
            gateway.noted,
            gateway.counters,
            control.alerts,
            gateway.clock,
            rules=self._rules,
            audience=self._audience,
        )

    def start(self, tasks: TaskGroup, *, is_first: bool) -> None:
        """Look, until the tasks are cancelled; ``is_first`` does what must be done once."""
        histories = Histories(
            self._ledger, self._gateway.clock, is_wanted=self._judges_velocities, renew=self._renew_velocities
        )
        _repeat(tasks, "alerts", LOOK_S, self._watch.look)
        _repeat(tasks, "histories of runs", HISTORIES_S, histories.look)
        if is_first:
            self._start_upkeep(tasks)

    async def finish(self) -> None:
        """Look a last time: what the last calls did is not noted anywhere else."""
        await _looked("alerts", self._watch.look, None)

    def _start_upkeep(self, tasks: TaskGroup) -> None:
        gateway, alerts, clock = self._gateway, self._control.alerts, self._gateway.clock
        sender = Sender(
            alerts,
            self._control.outbox,
            clock,
            channels=self._channels,
            spawn=lambda work, name: tasks.spawn(work, name=name),
        )
        stores = Stores(self._probes, alerts, clock, audience=self._audience, tell=sender.tell)
        conditions = Conditions(alerts, gateway.counters, clock, rules=self._rules)
        usage = Usage(self._ledger, alerts, clock, tagged_percent=self._tagged_percent, audience=self._audience)
        _repeat(tasks, "alerts about stores", LOOK_S, stores.look)
        _repeat(tasks, "alerts that are over", LOOK_S, conditions.look)
        _repeat(tasks, "deliveries", LOOK_S, sender.look)
        _repeat(tasks, "alerts about usage", USAGE_S, usage.look)

    def _judges_velocities(self) -> bool:
        return any(run.velocity_factor is not None for run in self._gateway.snapshot.config.runs)

    def _renew_velocities(self, velocities: Mapping[str, int]) -> None:
        self._gateway.renew(lambda old: structs.replace(old, rules=old.rules.with_velocities(velocities)))

    def _rules(self) -> Rules:
        return self._gateway.snapshot.rules

    def _tagged_percent(self) -> int:
        return self._gateway.snapshot.config.alerts.tagged_percent

    def _channels(self) -> tuple[Channel, ...]:
        gateway = self._gateway
        return tuple(WebhookChannel(hook, gateway.client, gateway.clock) for hook in gateway.snapshot.hooks)

    def _audience(self, kind: AlertKind) -> tuple[str, ...]:
        return audience_of(self._gateway.snapshot.hooks, kind)


def _repeat(tasks: TaskGroup, name: str, pause_s: float, look: Look) -> None:
    tasks.spawn(_every(name, pause_s, look), name=name)


async def _every(name: str, pause_s: float, look: Look) -> None:
    """Look again and again, until cancelled, whatever a look ran into; first after a pause, when all has started."""
    problem: str | None = None
    while True:
        await asyncio.sleep(pause_s)
        problem = await _looked(name, look, problem)


async def _looked(name: str, look: Look, before: str | None) -> str | None:
    """Look once; returns what was away, which is logged when it was not away ``before``."""
    try:
        await look()
    except (ControlUnavailable, LedgerUnavailable) as away:
        if before is None:
            log.warning("%s have to wait: %s", name, away)
        return str(away)
    except Exception:
        log.exception("%s: a look failed", name)
    return None
