"""The life of one request: find its endpoint, choose its fault, answer, deliver, and enter it in the account."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from bursar.clock import Clock
from bursar.simulator.account import Account, Entry, labelled
from bursar.simulator.chance import Chance
from bursar.simulator.delivery import Connection, Delivered, Delivery, Pace, pace_of
from bursar.simulator.exchange import Call, Problem, ProblemKind, Reply, whole
from bursar.simulator.faults import REFUSING, Fault, choose_fault
from bursar.simulator.generation import Request, credential_of
from bursar.simulator.prompt_cache import PromptCache
from bursar.simulator.routes import Route, find
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.sse import JSON
from bursar.simulator.steering import BadSteering, Steering, steering_of
from bursar.usage import EMPTY, OUTPUT_TOKEN_METERS, Meter, Usage, usage_of

_REFUSALS: Final[Mapping[Fault, tuple[ProblemKind, str]]] = {
    Fault.ERROR_500: ("server_error", "The server had an error while processing your request. Sorry about that!"),
    Fault.RATE_LIMIT: ("rate_limit", "Rate limit reached for requests. Please try again in a moment."),
    Fault.OVERLOADED: ("overloaded", "Overloaded"),
    Fault.UNAUTHORIZED: ("unauthorized", "Incorrect API key provided."),
}
_UNTRUE: Final = frozenset({Fault.MALFORMED_USAGE, Fault.MISSING_USAGE})
_NO_WAIT: Final = Pace(0.0, 0.0)


class Serving:
    """One request being served."""

    def __init__(
        self,
        *,
        call: Call,
        sequence: int,
        settings: SimulatorSettings,
        clock: Clock,
        cache: PromptCache,
        account: Account,
    ) -> None:
        self._call = call
        self._sequence = sequence
        self._settings = settings
        self._clock = clock
        self._cache = cache
        self._account = account
        self._started_us = clock.monotonic_us()
        self._at_us = clock.now_us()
        self._request_id = "req_" + clock.new_id().replace("-", "")
        self._chance = Chance(settings.seed, b"serving", sequence.to_bytes(8, "big"))
        self._fault: Fault | None = None

    async def run(self, connection: Connection) -> None:
        """Answer, and record what happened, even when the server stops in the middle."""
        route, call = find(self._call)
        reply, pace = self._reply(route, call)
        delivery = Delivery(
            reply=reply,
            pace=pace,
            fault=None if _is_error(reply) else self._fault,
            connection=connection,
            head=lambda: self._head(route, reply),
        )
        try:
            await delivery.run()
        finally:
            self._record(route, reply, delivery.delivered)

    def _reply(self, route: Route, call: Call) -> tuple[Reply, Pace]:
        try:
            steering = steering_of(call.headers)
            self._fault = choose_fault(self._settings, steering, self._chance)
            pace = pace_of(self._settings, steering, self._chance, self._fault)
            return self._answer(route, call, steering), pace
        except BadSteering as wrong:
            return self._refusal(route, Problem("invalid", str(wrong))), _NO_WAIT
        except Problem as problem:
            return self._refusal(route, problem), _NO_WAIT

    def _answer(self, route: Route, call: Call, steering: Steering) -> Reply:
        keys = self._settings.api_keys
        if keys and credential_of(call) not in keys:
            raise Problem("unauthorized", "Incorrect API key provided.")
        if self._fault in REFUSING:
            kind, message = _REFUSALS[self._fault]
            raise Problem(kind, message)
        request = Request(
            call=call,
            settings=self._settings,
            clock=self._clock,
            cache=self._cache,
            steering=steering,
            fault=self._fault,
        )
        reply = route.handler(request)
        if self._fault is Fault.ERROR_IN_STREAM and not reply.is_stream:
            raise Problem("server_error", "The server had an error while processing your request. Sorry about that!")
        return reply

    def _refusal(self, route: Route, problem: Problem) -> Reply:
        refusal = route.refuse(problem, self._request_id)
        headers = refusal.headers
        if problem.kind == "rate_limit":
            headers = (*headers, (b"retry-after", b"%d" % self._settings.retry_after_s))
        return Reply(
            frames=whole(refusal.body, has_usage=False), content_type=JSON, status=refusal.status, headers=headers
        )

    def _head(self, route: Route, reply: Reply) -> list[tuple[bytes, bytes]]:
        elapsed_us = self._clock.monotonic_us() - self._started_us
        return [
            (b"content-type", reply.content_type),
            (route.request_id_header, self._request_id.encode()),
            (b"x-sim-elapsed-ms", b"%.3f" % (elapsed_us / 1000)),
            *reply.headers,
        ]

    def _record(self, route: Route, reply: Reply, delivered: Delivered) -> None:
        is_billed = route.billable and not _is_error(reply)
        generated = _generated(reply.usage, delivered) if is_billed else EMPTY
        call = self._call
        entry = Entry(
            sequence=self._sequence,
            at_us=self._at_us,
            dialect=route.dialect,
            operation=route.operation,
            method=call.method,
            path=call.path,
            status=reply.status if delivered.head_sent else 0,
            model=reply.model,
            stream=reply.is_stream,
            response_id=reply.response_id,
            request_id=call.headers.get("x-client-request-id") or call.headers.get("x-request-id"),
            provider_request_id=self._request_id,
            credential=credential_of(call),
            header_names=tuple(sorted(call.headers)),
            request_sha256=hashlib.sha256(call.body).hexdigest(),
            request_bytes=len(call.body),
            response_bytes=delivered.body_bytes,
            fault=self._fault,
            billed=bool(generated.counts),
            usage=reply.named(generated) if reply.named and generated.counts else None,
            quantities=labelled(generated),
            usage_sent=delivered.usage_sent and self._fault not in _UNTRUE,
            was_reset=delivered.was_reset,
            client_left=delivered.client_left,
            elapsed_us=self._clock.monotonic_us() - self._started_us,
        )
        self._account.record(entry, generated)


def _is_error(reply: Reply) -> bool:
    return reply.status >= HTTPStatus.BAD_REQUEST


def _generated(planned: Usage, delivered: Delivered) -> Usage:
    """What was generated by the time the answer ended: the whole prompt, and the output in the order it is made."""
    if delivered.complete or delivered.tokens >= planned.output_tokens:
        return planned
    left = delivered.tokens
    counts = {Meter(meter): quantity for meter, quantity in planned.counts if meter not in OUTPUT_TOKEN_METERS}
    for meter in (Meter.OUTPUT_REASONING, Meter.OUTPUT_TEXT):
        counts[meter] = min(left, planned.quantity(meter))
        left -= counts[meter]
    return usage_of(counts)
