"""The whole file: every table, in the order in which the reference lists them."""

from msgspec import field

from bursar.config.guardrails import Alerts, Budget, Counters, Limit, Run, Webhook
from bursar.config.identity import Key
from bursar.config.pricing import Aliases, Price, Unpriced
from bursar.config.section import Section
from bursar.config.serving import Ledger, Provider, Relay, Server
from bursar.config.tags import TagRule, Tags


class Config(Section, frozen=True):
    """The whole of `bursar.toml`."""

    server: Server = field(default_factory=Server)
    relay: Relay = field(default_factory=Relay)
    providers: tuple[Provider, ...] = ()
    keys: tuple[Key, ...] = ()
    tags: Tags = field(default_factory=Tags)
    tag_rules: tuple[TagRule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    runs: tuple[Run, ...] = ()
    alerts: Alerts = field(default_factory=Alerts)
    webhooks: tuple[Webhook, ...] = ()
    counters: Counters = field(default_factory=Counters)
    prices: tuple[Price, ...] = ()
    aliases: tuple[Aliases, ...] = ()
    unpriced: Unpriced = field(default_factory=Unpriced)
    ledger: Ledger = field(default_factory=Ledger)
