"""What a virtual key may be used for: models, routes, tag values, networks.

Fails closed: what a restricted key does not name is refused, and so is what cannot be known (a billable request that
names no model, a caller without a readable address). A key without a restriction has no `Scope` at all, so that it
costs nothing.
"""

from collections.abc import Mapping

from msgspec import Struct

from bursar.config import KeyGrant
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.policy.globs import Patterns
from bursar.policy.network import Address, Networks, is_within, parse_networks
from bursar.policy.tags import PRINCIPAL_TAGS, normalise_name

_ASK = "ask your platform team"


class Scope(Struct, frozen=True):
    """The restrictions of one key; ``None`` or nothing = not restricted in that."""

    key: str
    """The key's name, for messages."""
    models: Patterns | None
    routes: Patterns | None
    tags: tuple[tuple[str, Patterns], ...]
    """Canonical tag name and its allowed values."""
    networks: Networks

    def check_network(self, address: Address | None) -> None:
        """Raise Refusal ``network_not_allowed`` when the key may not be used from there."""
        if self.networks and not is_within(address, self.networks):
            allowed = ", ".join(map(str, self.networks))
            raise Refusal(
                "network_not_allowed",
                f"The virtual key '{self.key}' may not be used from {address or 'an unknown address'}; "
                f"its networks are {allowed}. Call from there, or {_ASK}.",
            )

    def check_route(self, dialect: str, operation: str) -> None:
        """Raise Refusal ``route_not_allowed`` unless the dialect or the operation is allowed."""
        if self.routes and not (self.routes.matches(operation) or self.routes.matches(dialect)):
            raise Refusal(
                "route_not_allowed",
                f"The virtual key '{self.key}' may not call {operation} ({dialect}); it may call {self.routes}. "
                f"Use another key, or {_ASK}.",
            )

    def check_model(self, model: str | None, *, is_needed: bool) -> None:
        """Raise Refusal ``model_not_allowed`` for another model, or for none where the request must have one."""
        if self.models is None or (model is None and not is_needed):
            return
        if model is None or not self.models.matches(model):
            wanted = "a request that names no model" if model is None else f"the model '{model}'"
            raise Refusal(
                "model_not_allowed",
                f"The virtual key '{self.key}' may not be used for {wanted}; it may use {self.models}. "
                f"Ask for one of these, or {_ASK}.",
            )

    def check_tags(self, principal: Principal, tags: tuple[tuple[str, str], ...]) -> None:
        """Raise Refusal ``tag_not_allowed`` when a tag has a value that the key may not set."""
        if not self.tags:
            return
        given = dict(tags)
        for name, allowed in self.tags:
            value = getattr(principal, name) if name in PRINCIPAL_TAGS else given.get(name, "")
            if value and not allowed.matches(value):
                raise Refusal(
                    "tag_not_allowed",
                    f"The virtual key '{self.key}' may not set {name} to '{value}'; it may set {allowed}. "
                    f"Send another x-bursar-{name.replace('_', '-')}, or {_ASK}.",
                )


def scope_of(grant: KeyGrant) -> Scope | None:
    """The restrictions that a key's terms state; ``None`` when there are none.

    Raises ValueError naming what cannot be a network or a tag, or a default tag that the key itself may not set.
    """
    if not (grant.models or grant.routes or grant.allow_tags or grant.networks):
        return None
    scope = Scope(
        key=grant.name,
        models=Patterns.of(grant.models) if grant.models else None,
        routes=Patterns.of(grant.routes) if grant.routes else None,
        tags=_allowed_tags(grant.allow_tags),
        networks=parse_networks(grant.networks),
    )
    _check_defaults(grant, scope)
    return scope


def _allowed_tags(allowed: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, Patterns], ...]:
    found = []
    for name, values in allowed.items():
        canonical = normalise_name(name)
        if canonical is None:
            raise ValueError(f"allow_tags: {name!r} cannot be the name of a tag")
        found.append((canonical, Patterns.of(values)))
    return tuple(found)


def _check_defaults(grant: KeyGrant, scope: Scope) -> None:
    principal = Principal(organisation=grant.organisation, team=grant.team, project=grant.project)
    defaults = tuple((normalise_name(name) or name, value) for name, value in grant.tags.items())
    try:
        scope.check_tags(principal, defaults)
    except Refusal as refusal:
        raise ValueError(f"allow_tags refuses the key's own default: {refusal.message}") from None
