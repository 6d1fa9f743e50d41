"""`bursar.toml`: parsed strictly, validated, frozen and hashed.

The structs below are the schema: field names are the keys, defaults are the defaults, docstrings become the reference
in `docs/configuration.md` and the published JSON Schema. Secrets are written as ``env:NAME`` or ``file:PATH`` and
resolved only by `wiring`, so a parsed `Config` never holds one.
"""

from bursar.config.guardrails import AlertKind, Alerts, Budget, Counters, FieldMatch, Limit, PeriodName, Run, Webhook
from bursar.config.identity import Key, KeyGrant
from bursar.config.pricing import Aliases, Price, Unpriced
from bursar.config.read import digest_of, json_schema, load_config, parse_config
from bursar.config.root import Config
from bursar.config.section import Name, Secret, Section, Usd
from bursar.config.serving import DialectName, Ledger, Provider, Relay, Server
from bursar.config.tags import TagRule, Tags

__all__ = [
    "AlertKind",
    "Alerts",
    "Aliases",
    "Budget",
    "Config",
    "Counters",
    "DialectName",
    "FieldMatch",
    "Key",
    "KeyGrant",
    "Ledger",
    "Limit",
    "Name",
    "PeriodName",
    "Price",
    "Provider",
    "Relay",
    "Run",
    "Secret",
    "Section",
    "Server",
    "TagRule",
    "Tags",
    "Unpriced",
    "Usd",
    "Webhook",
    "digest_of",
    "json_schema",
    "load_config",
    "parse_config",
]
