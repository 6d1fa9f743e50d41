"""One client request: from its first body byte to the end of its answer, over as many attempts as it takes.

A call belongs to a client connection until either ends first. When the client goes, the call stays behind: it keeps
reading the provider within limits, because the bill comes last.
"""

import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import msgspec

from bursar.clock import Clock
from bursar.errors import LedgerUnavailable, Refusal
from bursar.events import Outcome
from bursar.gateway.answer import Answer
from bursar.gateway.attempt import Attempt
from bursar.gateway.headers import Heading
from bursar.gateway.holding import Holding, NoRoom, hold
from bursar.gateway.pipeline import Admission, Incoming, Plan, fitted
from bursar.gateway.settle import refuse
from bursar.gateway.state import Gateway, Snapshot
from bursar.gateway.station import admitted
from bursar.notify.noted import ALERTING
from bursar.policy.gates import Gate

_REQUEST_ID: Final = b"x-bursar-request-id"

log = logging.getLogger("bursar.gateway")

MOST_FITS: Final = 3
"""How often a request is fitted into what is left before it is refused: others may take the room in between."""

STALE_RETRIES: Final = 2
"""How often a call may start over because a pooled connection turned out to be dead."""


class Call:
    """The life of one request."""

    __slots__ = (
        "_admission",
        "_attempt",
        "_body",
        "_body_bytes",
        "_deadline_us",
        "_fits",
        "_on_answered",
        "_plan",
        "admitted_us",
        "answer",
        "at_us",
        "call_id",
        "gateway",
        "heading",
        "is_answered",
        "is_receiving",
        "snapshot",
        "wants_cost_comment",
        "was_abandoned",
    )

    def __init__(self, gateway: Gateway, heading: Heading, answer: Answer) -> None:
        clock = gateway.clock
        self.gateway = gateway
        self.snapshot: Snapshot = gateway.snapshot
        self.heading = heading
        self.answer = answer
        self.call_id = clock.new_id()
        self.at_us = clock.now_us()
        self.admitted_us = clock.monotonic_us()
        self.wants_cost_comment = heading.head.own.get("stream-cost", "") == "comment"
        self.is_receiving = True
        self.was_abandoned = False
        """Refused before the request had arrived completely."""
        self.is_answered = False
        """The client has its whole answer, or is gone."""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._deadline_us = self.admitted_us + int(self.snapshot.config.server.body_timeout_s * 1_000_000)
        self._admission: Admission | None = None
        self._plan: Plan | None = None
        self._fits = 0
        self._attempt: Attempt | None = None
        self._on_answered: Callable[[], None] = _nothing

    def on_answered(self, callback: Callable[[], None]) -> None:
        """Register who is told, once, when the answer is complete."""
        self._on_answered = callback

    @property
    def clock(self) -> Clock:
        """The gateway's clock."""
        return self.gateway.clock

    # Receiving: the connection feeds the request's body.

    def declare(self, length: int | None, *, expects_continue: bool) -> None:
        """The head is complete: refuse an oversize body before it is sent, or invite it."""
        limit = self.snapshot.config.server.max_body_bytes
        if length is not None and length > limit:
            self._refuse_oversize(length, limit)
        elif expects_continue:
            self.answer.invite()

    def receive(self, data: bytes) -> None:
        """Take the next part of the body."""
        if not self.is_receiving:
            return
        self._body_bytes += len(data)
        limit = self.snapshot.config.server.max_body_bytes
        if self._body_bytes > limit:
            self._refuse_oversize(self._body_bytes, limit)
            return
        self._body.append(data)

    def received(self) -> None:
        """The request is complete: admit it and send it on."""
        if not self.is_receiving:
            return
        self.is_receiving = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        admission = self._admission = self._admit(body)
        try:
            plan = admitted(admission, self.gateway, now_us=self.admitted_us)
        except Refusal as refusal:
            self._refuse(admission, refusal)
            return
        except Exception:
            log.exception("call %s could not be admitted", self.call_id)
            self._refuse(admission, Refusal("internal_error", "This gateway failed on this request; it was not sent."))
            return
        self.gateway.counts.untagged += admission.is_untagged
        self._plan = plan
        self._reserve(plan, 1)

    # While a provider works on it.

    def sweep(self, now_us: int) -> None:
        """Refuse a request that takes too long to arrive; let the attempt check its own deadlines."""
        if self.is_receiving:
            if now_us > self._deadline_us:
                seconds = self.snapshot.config.server.body_timeout_s
                self.abandon("request_timeout", f"The request did not arrive completely within {seconds:g} s.")
        elif self._attempt is not None:
            self._attempt.sweep(now_us)

    def client_gone(self) -> None:
        """The client hung up."""
        self.answer.detach()
        self.is_answered = True
        if self.is_receiving:
            self.is_receiving = False
            self._body = []
        elif self._attempt is not None:
            self._attempt.client_gone()

    def pause(self) -> None:
        """The client does not keep up: stop reading from the provider."""
        if self._attempt is not None:
            self._attempt.pause()

    def resume(self) -> None:
        """The client has caught up."""
        if self._attempt is not None:
            self._attempt.resume()

    def cut(self, reason: str) -> None:
        """Stop now and settle what was seen."""
        if self._attempt is not None:
            self._attempt.cut(reason)

    @property
    def is_holding(self) -> bool:
        """Whether its attempt holds something of budgets or limits."""
        return self._attempt is not None and self._attempt.is_holding

    # What attempts report back.

    def retry(self) -> bool:
        """Start another attempt on a fresh connection; False when that is not possible any more."""
        plan, attempt = self._plan, self._attempt
        if plan is None or attempt is None or self.is_answered or attempt.number > STALE_RETRIES:
            return False
        self._reserve(plan, attempt.number + 1)
        return True

    def finished(self) -> None:
        """The attempt was settled and the client has all that it will get."""
        self._attempt = None
        self.gateway.left(self)
        self._answered()

    def fail(self, refusal: Refusal) -> None:
        """Tell the client that the provider could not be reached or did not answer."""
        self._send_error(refusal)
        self.finished()

    def drop_client(self) -> None:
        """Disconnect a client that does not read."""
        self.answer.abort()
        self.client_gone()

    def own_headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers every answer of this call carries."""
        return [(_REQUEST_ID, self.call_id.encode("ascii"))]

    def _reserve(self, plan: Plan, number: int) -> None:
        """Hold what an attempt may use, then open it; a store may take its time to answer."""
        self._attempt = None
        if not plan.needs.gates:
            self._open(plan, number, None)
            return
        self.gateway.entered(self)
        hold(
            self.gateway.counters,
            plan.needs,
            id=f"{self.call_id}/{number}",
            at_us=self.at_us,
            then=lambda answer: self._reserved(plan, number, answer),
            unseeded=self.gateway.seeded.missing,
        )

    def _reserved(self, plan: Plan, number: int, answer: Holding | NoRoom) -> None:
        if self.is_answered:
            # The client left while the store was asked: nothing was sent, and nobody waits for an answer.
            if isinstance(answer, Holding):
                answer.release()
            self.gateway.left(self)
        elif isinstance(answer, Holding):
            self.gateway.counts.unchecked += answer.is_unchecked
            self._open(plan, number, answer)
        else:
            smaller = self._fitted(plan, answer)
            if smaller is None:
                self._refuse_planned(number, answer.refusal, answer.gates)
            else:
                self._plan = smaller
                self._reserve(smaller, number)

    def _fitted(self, plan: Plan, short: NoRoom) -> Plan | None:
        """The plan for an answer that the budgets have room for, where they ask for that; ``None`` to refuse."""
        if short.room is None or self._admission is None or self._fits == MOST_FITS:
            return None
        self._fits += 1
        return fitted(self._admission, plan, short.room, short.way)

    def _open(self, plan: Plan, number: int, holding: Holding | None) -> None:
        attempt = Attempt(self, plan, number, holding)
        try:
            attempt.open()
        except LedgerUnavailable as full:
            if holding is not None:
                holding.release()
            self._refuse_planned(number, Refusal("ledger_unavailable", str(full), retry_after_s=5))
            return
        self._attempt = attempt
        self.gateway.entered(self)
        attempt.send()

    def _admit(self, body: bytes) -> Admission:
        heading = self.heading
        incoming = Incoming(
            self.call_id,
            self.at_us,
            heading.method,
            heading.path,
            heading.query,
            heading.head,
            heading.own,
            body,
            self.answer.peer,
        )
        self.gateway.counts.calls += 1
        return Admission(incoming, self.snapshot)

    def _refuse_oversize(self, size: int, limit: int) -> None:
        self.abandon(
            "body_too_large",
            f"The request body has {size} bytes or more; the limit is {limit} (server.max_body_bytes).",
        )

    def abandon(self, code: str, message: str) -> None:
        """Refuse before the request is complete; the connection cannot be used again."""
        self.is_receiving = False
        self.was_abandoned = True
        self._body = []
        self.answer.close_after()
        self._refuse(self._admit(b""), Refusal(code, message))

    def _refuse_planned(self, number: int, refusal: Refusal, short: tuple[Gate, ...] = ()) -> None:
        """Refuse an attempt that was admitted and could not be opened."""
        self.gateway.left(self)
        if self._admission is not None:
            self._refuse(self._admission, refusal, number, short)

    def _refuse(self, admission: Admission, refusal: Refusal, number: int = 1, short: tuple[Gate, ...] = ()) -> None:
        self.gateway.counts.refusal(refusal.code)
        facts = admission.facts()
        if refusal.code in ALERTING:
            self.gateway.noted.refuse(refusal, facts, short)
        row = refuse(
            facts if number == 1 else msgspec.structs.replace(facts, attempt=number),
            status=refusal.status,
            code=refusal.code,
            message=refusal.message,
            request_bytes=max(self._body_bytes, len(admission.incoming.body)),
            total_us=self.clock.monotonic_us() - self.admitted_us,
        )
        try:
            self.gateway.recorder.append(row)
        except LedgerUnavailable:
            # The disk is full and enough refusals wait already. Nothing was spent; the count stays visible.
            self.gateway.counts.unrecorded_refusals += 1
        self.gateway.counts.outcome(Outcome.REFUSED.value)
        self._send_error(refusal)
        self._answered()

    def _send_error(self, refusal: Refusal) -> None:
        dialect = (
            self._plan.target.dialect if self._plan else self.snapshot.routes.dialect_for(unquote(self.heading.path))
        )
        headers, body = dialect.error(
            status=refusal.status, code=refusal.code, message=refusal.message, request_id=self.call_id
        )
        extra = self.own_headers()
        if refusal.retry_after_s is not None:
            extra.append((b"retry-after", str(refusal.retry_after_s).encode("ascii")))
        self.answer.whole(refusal.status, (*headers, *extra), b"" if self.heading.method == "HEAD" else body)

    def _answered(self) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._on_answered()


def _nothing() -> None:
    """Stand in until somebody wants to know."""
