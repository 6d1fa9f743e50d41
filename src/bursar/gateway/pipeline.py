"""Admission: from a complete request to a plan for one provider, one function a step, without I/O.

identify → route → read → tag → bound → decide. Each step either adds what it found to the `Admission` or raises a
`Refusal`; whatever was found by then goes into the refusal's row.
"""

from collections.abc import Callable, Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bursar.catalog.snapshot import Match, NoPrice
from bursar.dialects.base import Endpoint, Request
from bursar.errors import Refusal
from bursar.events import CallFacts, Principal
from bursar.gateway.bound import Exposure, Unbounded, exposure_of, unpriced_tokens
from bursar.gateway.guard import capped, decided, subject_of
from bursar.gateway.headers import RequestHead, forwarded_for, presented_key
from bursar.gateway.routes import Route
from bursar.gateway.state import Snapshot
from bursar.gateway.tagging import lacking_of, tags_of
from bursar.gateway.targets import Target, outgoing_headers, outgoing_query
from bursar.money import Pico
from bursar.policy.decide import NOTHING_TO_HOLD, Decision
from bursar.policy.gates import WhenShort
from bursar.policy.identity import Identity
from bursar.policy.network import caller_address
from bursar.policy.scope import Scope
from bursar.policy.tags import marked
from bursar.upstream import Fields, UpstreamRequest


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
    peer: Callable[[], str | None]
    """The address of the connection's other end, read only where a key has networks."""


class Plan(Struct, frozen=True):
    """A request that may go to a provider."""

    route: Route
    request: Request
    facts: CallFacts
    """Of the first attempt."""
    upstream: UpstreamRequest
    decisions: tuple[str, ...]
    needs: Decision
    """What must be held before it is sent."""
    output_cap: int | None = None
    """The most output tokens of each answer, where a rule lowered it."""
    stop_at: int | None = None
    """Picodollars at which its stream is to be stopped."""

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

    __slots__ = (
        "asked",
        "bound",
        "bound_tokens",
        "card",
        "exposure",
        "identity",
        "incoming",
        "is_untagged",
        "principal",
        "request",
        "route",
        "snapshot",
        "tags",
        "unbounded",
        "virtual_key",
    )

    def __init__(self, incoming: Incoming, snapshot: Snapshot, identity: Identity | None = None) -> None:
        """``identity`` is who asks, where that is not to be told from what the request presents."""
        self.incoming = incoming
        self.identity = identity
        self.snapshot = snapshot
        self.principal = Principal()
        self.tags: tuple[tuple[str, str], ...] = ()
        self.is_untagged = False
        """It lacks tags and was admitted all the same."""
        self.route: Route | None = None
        self.asked: Request | None = None
        """As the caller sent it."""
        self.request: Request | None = None
        """As it is to be sent."""
        self.virtual_key: bytes | None = None
        """What the caller presented where keys are in use; it never reaches a provider."""
        self.exposure: Exposure | None = None
        self.bound_tokens: int | None = None
        """The most tokens it may use, also where these have no price."""
        self.unbounded = ""
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
            bound_tokens=self.bound_tokens,
        )


def admit(admission: Admission) -> Plan:
    """Take a request through every step; raises Refusal at the first that says no."""
    incoming, snapshot = admission.incoming, admission.snapshot
    presented = presented_key(incoming.own)
    identity = admission.identity or snapshot.keyring.identify(presented)
    admission.principal = identity.principal
    identity.check(incoming.at_us)
    scope = identity.scope
    if scope is not None and scope.networks:
        forwarded = forwarded_for(incoming.head)
        scope.check_network(caller_address(incoming.peer(), forwarded, snapshot.keyring.trusted_proxies))
    route = admission.route = snapshot.routes.route(incoming.method, incoming.path)
    request = admission.asked = admission.request = read(route, incoming)
    _tag(admission, identity, request)
    if scope is not None:
        _check_scope(admission, scope, route.endpoint, request)
    if not snapshot.keyring.is_open:
        admission.virtual_key = presented
    return _planned(admission, route, request)


def fitted(admission: Admission, plan: Plan, room: int, way: WhenShort) -> Plan | None:
    """The same request made to cost at most ``room`` picodollars; ``None`` where that is not possible or not wanted."""
    try:
        match way:
            case "shrink":
                return shrunk(admission, plan, room)
            case "stop":
                return stoppable(admission, plan, room)
            case "refuse":
                return None
    except Refusal:
        # A smaller request that is refused for another reason is no way out: the first reason stands.
        return None


def stoppable(admission: Admission, plan: Plan, room: int) -> Plan | None:
    """The same stream, to be stopped when it has cost ``room``; ``None`` where its input alone costs more."""
    exposure = admission.exposure
    if exposure is None or not plan.request.stream or not exposure.affordable_cap(room):
        return None
    needs = plan.needs
    amounts = [
        min(amount, room) if gate.measure == "usd" else amount
        for gate, amount in zip(needs.gates, needs.amounts, strict=True)
    ]
    return msgspec.structs.replace(
        plan,
        needs=msgspec.structs.replace(needs, amounts=tuple(amounts)),
        facts=msgspec.structs.replace(plan.facts, bound=Pico(room)),
        stop_at=room,
    )


def shrunk(admission: Admission, plan: Plan, room: int) -> Plan | None:
    """The same request with its output capped so that it costs at most ``room`` picodollars, decided anew.

    ``None`` where no cap does that, or the format has none.
    """
    exposure = admission.exposure
    cap = None if exposure is None else exposure.affordable_cap(room)
    if not cap:
        return None
    request = plan.target.dialect.with_output_cap(plan.endpoint, plan.request, cap)
    if request is None:
        return None
    return _planned(admission, plan.route, request)


def _planned(admission: Admission, route: Route, request: Request) -> Plan:
    """Bound, decide, and make ready to send."""
    snapshot, rules = admission.snapshot, admission.snapshot.rules
    needs, subject = NOTHING_TO_HOLD, None
    if not rules.is_empty or admission.incoming.head.own.get("task-budget") is not None:
        subject = subject_of(admission.facts(), rules)
        request = capped(request, route, subject.matched, body_bytes=len(admission.incoming.body))
    admission.request = request
    decisions = request.changes + _bound(admission, route, request)
    facts = admission.facts()
    if subject is not None:
        needs = decided(
            facts,
            subject,
            rules,
            request=request,
            unbounded=admission.unbounded,
            steering=admission.incoming.head.own,
        )
    return Plan(
        route=route,
        request=request,
        facts=facts,
        upstream=_upstream(admission.incoming, route, request, snapshot, admission.virtual_key),
        decisions=decisions + needs.notes if needs.notes else decisions,
        needs=needs,
        output_cap=None if request is admission.asked else _cap_of(request),
    )


def _cap_of(request: Request) -> int | None:
    total = request.max_output_tokens
    return None if total is None else total // request.reach.answers


def read(route: Route, incoming: Incoming) -> Request:
    """Decode what policy needs; raises Refusal invalid_request."""
    request = route.target.dialect.read(route.endpoint, incoming.head.content_type, incoming.body)
    deployments = route.target.deployments
    if request.model is not None and request.model in deployments:
        return msgspec.structs.replace(request, model=deployments[request.model])
    return request


def _check_scope(admission: Admission, scope: Scope, endpoint: Endpoint, request: Request) -> None:
    """Refuse what the key is not made for, once all of it is known, so that the refusal's row is whole."""
    scope.check_route(endpoint.dialect, endpoint.operation)
    scope.check_model(request.model, is_needed=endpoint.billable and bool(request.body))
    scope.check_tags(admission.principal, admission.tags)


def _tag(admission: Admission, identity: Identity, request: Request) -> None:
    """Settle who pays and under which tags; raises Refusal missing_tags, when both are in the row already."""
    rules = admission.snapshot.tag_rules
    tagged = tags_of(request, admission.incoming.head, identity, rules)
    admission.principal, admission.tags = tagged.principal, tagged.tags
    if rules.is_empty and not tagged.unfit:
        return
    lacking = lacking_of(admission.facts(), tagged, rules)
    if lacking is None:
        return
    if lacking.is_refused:
        raise lacking.refusal()
    admission.tags = marked(tagged.tags, lacking.names)
    admission.is_untagged = True


def _bound(admission: Admission, route: Route, request: Request) -> tuple[str, ...]:
    """State the most this request may cost, and refuse a model without a price where the rules say so."""
    snapshot, endpoint = admission.snapshot, route.endpoint
    if not endpoint.billable:
        admission.bound, admission.bound_tokens = Pico(0), 0
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
        admission.unbounded = found.reason
        admission.bound_tokens = unpriced_tokens(request, body_bytes=len(admission.incoming.body))
        return (f"admitted without a price: {found.reason}",)
    admission.card = found.card.id
    exposure = exposure_of(
        request,
        found,
        target=route.target,
        catalog=snapshot.catalog,
        body_bytes=len(admission.incoming.body),
        at_us=admission.incoming.at_us,
    )
    if isinstance(exposure, Unbounded):
        admission.unbounded = exposure.reason
        return (f"its cost has no bound: {exposure.reason}",)
    admission.exposure = exposure
    admission.bound, admission.bound_tokens = exposure.pico, exposure.tokens
    return exposure.notes


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
