"""Admission: from a complete request to a plan for one provider, one function a step, without I/O.

identify → route → read → tag → bound → decide. Each step either adds what it found to the `Admission` or raises a
`Refusal`; whatever was found by then goes into the refusal's row.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bursar.catalog.snapshot import Catalog, Match, NoPrice
from bursar.dialects.base import Endpoint, Request
from bursar.errors import Refusal
from bursar.events import CallFacts, Principal
from bursar.gateway.headers import RequestHead, presented_key
from bursar.gateway.routes import Route
from bursar.gateway.state import Snapshot
from bursar.gateway.targets import Target, outgoing_headers, outgoing_query
from bursar.money import Pico
from bursar.policy.identity import Identity
from bursar.policy.tags import normalise, tag
from bursar.price import upper_bound
from bursar.upstream import Fields, UpstreamRequest

UNSTATED_OUTPUT_TOKENS: Final = 1_000_000
"""Bound on an answer when neither the caller caps it nor the catalog knows the model's limits: the context windows of
current models end there, and published output limits at an eighth of it (read 2026-11)."""


class Incoming(Struct, frozen=True):
    """A complete request, as it arrived."""

    call_id: str
    at_us: int
    method: str
    path: str
    """Percent-encoded, as sent."""
    query: str
    head: RequestHead
    own: Mapping[bytes, bytes]
    """The headers that are the call's alone: credentials, length, expectation."""
    body: bytes


class Plan(Struct, frozen=True):
    """A request that may go to a provider."""

    route: Route
    request: Request
    facts: CallFacts
    """Of the first attempt."""
    upstream: UpstreamRequest
    decisions: tuple[str, ...]

    @property
    def target(self) -> Target:
        """The provider it goes to."""
        return self.route.target

    @property
    def endpoint(self) -> Endpoint:
        """The metered endpoint it goes to."""
        return self.route.endpoint


class Admission:
    """What is known of a request so far; `facts` can be stated at any point, so that a refusal has its row."""

    __slots__ = ("bound", "card", "incoming", "principal", "request", "route", "snapshot", "tags")

    def __init__(self, incoming: Incoming, snapshot: Snapshot) -> None:
        self.incoming = incoming
        self.snapshot = snapshot
        self.principal = Principal()
        self.tags: tuple[tuple[str, str], ...] = ()
        self.route: Route | None = None
        self.request: Request | None = None
        self.bound: Pico | None = None
        self.card: str | None = None

    def facts(self) -> CallFacts:
        """The facts as far as they are known, for attempt 1."""
        own = self.incoming.head.own
        route, request = self.route, self.request
        return CallFacts(
            call_id=self.incoming.call_id,
            attempt=1,
            at_us=self.incoming.at_us,
            principal=self.principal,
            tags=self.tags,
            task=own.get("task"),
            task_type=own.get("task-type"),
            dialect=route.endpoint.dialect if route else self.snapshot.routes.dialect_for(self.incoming.path).name,
            operation=route.endpoint.operation if route else "",
            provider=route.target.name if route else "",
            model=request.model if request else None,
            stream=request.stream if request else False,
            catalog=self.snapshot.catalog.digest,
            config=self.snapshot.digest,
            bound=self.bound,
            card=self.card,
        )


def admit(admission: Admission) -> Plan:
    """Take a request through every step; raises Refusal at the first that says no."""
    incoming, snapshot = admission.incoming, admission.snapshot
    presented = presented_key(incoming.own)
    identity = snapshot.keyring.identify(presented)
    admission.principal = identity.principal
    route = admission.route = snapshot.routes.route(incoming.method, incoming.path)
    request = admission.request = read(route, incoming)
    _tag(admission, identity, request)
    decisions = _bound(admission, route, request)
    return Plan(
        route=route,
        request=request,
        facts=admission.facts(),
        upstream=_upstream(incoming, route, request, snapshot, None if snapshot.keyring.is_open else presented),
        decisions=request.changes + decisions if decisions else request.changes,
    )


def read(route: Route, incoming: Incoming) -> Request:
    """Decode what policy needs; raises Refusal invalid_request."""
    request = route.target.dialect.read(route.endpoint, incoming.head.content_type, incoming.body)
    deployments = route.target.deployments
    if request.model is not None and request.model in deployments:
        return msgspec.structs.replace(request, model=deployments[request.model])
    return request


def _tag(admission: Admission, identity: Identity, request: Request) -> None:
    head, rules = admission.incoming.head, admission.snapshot.config.tags
    if request.metadata or request.user:
        body = list(request.metadata.items())
        if request.user:
            body.append(("user", request.user))
        tagged = tag(identity.principal, defaults=identity.tags, body=normalise(body), headers=head.tags, rules=rules)
    else:
        tagged = head.tagged_for(identity, rules)
    admission.principal = tagged.principal
    admission.tags = tagged.tags


def _bound(admission: Admission, route: Route, request: Request) -> tuple[str, ...]:
    """State the most this request may cost, and refuse a model without a price where the rules say so."""
    snapshot, endpoint = admission.snapshot, route.endpoint
    if not endpoint.billable:
        admission.bound = Pico(0)
        return ()
    if request.model is None:
        found: Match | NoPrice = NoPrice("the request names no model")
    else:
        found = snapshot.catalog.resolve(
            route.target.price_list,
            request.model,
            conditions=route.target.conditions,
            at_us=admission.incoming.at_us,
            credential=route.target.name,
        )
    if isinstance(found, NoPrice):
        if snapshot.config.unpriced.mode == "refuse":
            raise Refusal(
                "unpriced_model",
                f"{found.reason}, and this gateway refuses models without a price. Add a [[prices]] entry for it.",
            )
        return (f"admitted without a price: {found.reason}",)
    admission.card = found.card.id
    admission.bound = upper_bound(
        found.card,
        input_tokens=len(admission.incoming.body),
        output_tokens=_output_cap(request, found, snapshot.catalog, route.target.price_list),
    )
    return ()


def _output_cap(request: Request, found: Match, catalog: Catalog, price_list: str) -> int:
    """The most output tokens an answer can have; a token of the request's body can be no smaller than a byte."""
    if found.card.rates.dearest_output is None:
        return 0
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    model = found.card.model
    stated = catalog.max_output_tokens(price_list, model) or catalog.context_window(price_list, model)
    return UNSTATED_OUTPUT_TOKENS if stated is None else stated


def _upstream(
    incoming: Incoming, route: Route, request: Request, snapshot: Snapshot, virtual_key: bytes | None
) -> UpstreamRequest:
    target = route.target
    path = target.prefix + route.endpoint.upstream_path
    if incoming.query or target.api_version is not None:
        query = outgoing_query(target, incoming.query)
        path = f"{path}?{query}" if query else path
    if not path.isascii():
        path = quote(path, safe="/%:?@!$&'()*+,;=~-._")
    headers = outgoing_headers(target, incoming.head, incoming.own, virtual_key=virtual_key)
    if target.sign is not None:
        headers = Fields(target.sign(incoming.method, path, list(headers.pairs), request.body))
    return UpstreamRequest(
        origin=target.origin,
        method=incoming.method.encode("ascii"),
        target=path.encode("ascii"),
        headers=headers,
        body=request.body,
        timeouts=snapshot.timeouts,
    )
