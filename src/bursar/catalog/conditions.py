"""Facts of a request that select a price variant, brought to one spelling.

A condition is a (name, value) pair: ("service_tier", "priority"), ("processing", "batch"), ("deployment", "regional").
Values that mean "the ordinary price" vanish here; every other value must be matched by a card with the same condition,
so that a tier without a price of its own is unpriced and never quietly charged at the ordinary rate.
"""

from collections.abc import Mapping
from typing import Final

Conditions = tuple[tuple[str, str], ...]
"""Sorted by name; empty for the ordinary price."""

ANY_CONDITIONS: Final[Conditions] = (("*", "*"),)
"""On a card: it holds whatever the conditions are (a self-hosted or free model has no tiers)."""

ORDINARY: Final[Mapping[str, frozenset[str]]] = {
    "service_tier": frozenset({"", "default", "standard", "auto", "on_demand", "none"}),
    "processing": frozenset({"", "online", "standard"}),
    "speed": frozenset({"", "standard"}),
    "region": frozenset({"", "global"}),
    "inference_geo": frozenset({"", "global", "not_available"}),
}
"""Values that name the ordinary price, by condition.

OpenAI answers `default`, Anthropic and Gemini `standard`, Groq `on_demand`; `auto` is a request's "you choose" echoed.
Anthropic's `inference_geo` is `global`, or `not_available` on models that do not report it. Azure's `deployment` is
missing on purpose: its price list is valid for global deployments alone, so `deployment=global` stands on the cards.
"""

DEPLOYMENTS: Final[Mapping[str, tuple[str, ...]]] = {"azure": ("datazone", "global", "regional")}
"""Providers whose prices depend on the kind of deployment, and the kinds there are."""

SERVICE_TIER: Final = "service_tier"

PROMISED_TIERS: Final = (ORDINARY[SERVICE_TIER] - {"", "auto"}) | {"flex"}
"""Tiers that, when asked for, are served or else the ordinary one is. Any other wish leaves the choice to the provider:
for ``auto`` and for none OpenAI serves what the project is set to, which may be the dearest tier, and it answers
``priority`` to ``fast`` (API reference, ``service_tier``, read 2026-11)."""

ON_REQUEST: Final = frozenset({"processing", "deployment", "speed", "latency"})
"""Conditions that are never served unasked: batches have routes of their own, a deployment is a fact of the account,
and faster inference is a parameter of the request."""

_RENAMED: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("service_tier", "batch"): ("processing", "batch"),
}
"""Anthropic reports batch processing as a service tier; price lists key it as processing."""


def normalise(conditions: Conditions) -> Conditions:
    """Lower-case, drop what means the ordinary price, rename synonyms and sort."""
    kept = []
    for name, raw in conditions:
        pair = (name, raw.lower())
        pair = _RENAMED.get(pair, pair)
        if pair[1] not in ORDINARY.get(pair[0], ()):
            kept.append(pair)
    kept.sort()
    return tuple(kept)


def describe(conditions: Conditions) -> str:
    """How messages and tables print conditions: ``service_tier=priority, processing=batch``."""
    return ", ".join(f"{name}={value}" for name, value in conditions) or "ordinary"
