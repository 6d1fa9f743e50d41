"""One try at a provider: relay the answer, watch a copy, settle exactly once.

The provider's callbacks (`on_sent` … `on_failure`) arrive from `upstream`; the client's side arrives through the call.
Whichever ends the attempt first, `_settle` runs once, and the row is in the spool before the client has the last byte.
"""

from typing import Final, Protocol

import msgspec

from bursar.dialects.base import Reading, Tap
from bursar.errors import Refusal
from bursar.events import CallFacts, Opened, Outcome, PriceStatus, Settled, Timings, UsageStatus
from bursar.gateway.answer import Answer
from bursar.gateway.encoding import decoded
from bursar.gateway.headers import Header, HeaderText, returned
from bursar.gateway.holding import Holding
from bursar.gateway.pipeline import Plan
from bursar.gateway.settle import NOTHING, Ending, bill_once, settle
from bursar.gateway.state import Gateway, Snapshot
from bursar.gateway.stopping import Stopper
from bursar.money import format_usd
from bursar.upstream import Exchange, Failure, FailureKind

BUFFER_LIMIT: Final = 8 * 1024 * 1024
"""A JSON answer up to this size is held back until it is priced, so that its cost can stand in a header."""

STALE_WINDOW_US: Final = 1_000_000
"""A reused connection that breaks this soon after sending was closed by the provider while idle; later than that the
provider may have been at work, and the call is not repeated."""

_FIRST_ERROR: Final = 400

_TIMEOUTS: Final = frozenset(
    (
        FailureKind.CONNECT_TIMEOUT,
        FailureKind.POOL_TIMEOUT,
        FailureKind.FIRST_BYTE_TIMEOUT,
        FailureKind.IDLE_TIMEOUT,
    )
)

UNKNOWN: Final = Reading(usage=None, status=UsageStatus.MISSING, complete=False)
"""The reading of a request whose connection was dead: the provider has hardly seen it, but nobody can know."""

_UNCOMMENTED: Final = frozenset(("gemini",))
"""Dialects whose official client reads an SSE comment as data and fails on it (google-genai 3.4, `_api_client`)."""

_PRICE_STATUSES: Final = {status: status.value.encode("ascii") for status in PriceStatus}

_REQUEST_IDS: Final = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id", b"x-groq-request-id")


class Parent(Protocol):
    """The call an attempt belongs to, as the attempt sees it."""

    gateway: Gateway
    snapshot: Snapshot
    answer: Answer
    admitted_us: int
    wants_cost_comment: bool

    def own_headers(self) -> list[Header]:
        """Response headers every answer carries."""
        ...

    def retry(self) -> bool:
        """Start another attempt; False when that is not possible."""
        ...

    def finished(self) -> None:
        """The attempt was settled and nothing more goes to the client."""
        ...

    def fail(self, refusal: Refusal) -> None:
        """Answer the client with an error of ours."""
        ...

    def drop_client(self) -> None:
        """Disconnect the client."""
        ...


class Attempt:
    """A try, from `open` to its row."""

    __slots__ = (
        "_answer",
        "_buffer",
        "_buffered",
        "_call",
        "_comments_cost",
        "_drain_bytes",
        "_drain_until_us",
        "_exchange",
        "_first_byte_us",
        "_has_client",
        "_head_headers",
        "_holding",
        "_is_settled",
        "_last_byte_us",
        "_notes",
        "_paused_since_us",
        "_plan",
        "_provider_request_id",
        "_response_bytes",
        "_sent_us",
        "_status",
        "_stopper",
        "_tap",
        "facts",
        "number",
    )

    def __init__(self, call: Parent, plan: Plan, number: int, holding: Holding | None = None) -> None:
        self._call = call
        self._answer = call.answer
        self._plan = plan
        self._holding = holding
        self.number = number
        self.facts: CallFacts = plan.facts if number == 1 else msgspec.structs.replace(plan.facts, attempt=number)
        self._exchange: Exchange | None = None
        self._has_client = True
        self._is_settled = False
        self._tap: Tap | None = None
        self._status: int | None = None
        self._head_headers: list[Header] = []
        self._comments_cost = False
        self._provider_request_id: str | None = None
        self._buffer: list[bytes] | None = None
        self._buffered = 0
        self._response_bytes = 0
        self._sent_us: int | None = None
        self._first_byte_us: int | None = None
        self._last_byte_us: int | None = None
        self._drain_until_us: int | None = None
        self._drain_bytes = 0
        self._paused_since_us: int | None = None
        self._stopper: Stopper | None = None
        self._notes: tuple[str, ...] = () if holding is None else holding.notes

    def open(self) -> None:
        """State in the spool that a provider is about to be asked; raises LedgerUnavailable."""
        self._call.gateway.recorder.append(Opened(self.facts))
        self._call.gateway.counts.attempts += 1

    def send(self) -> None:
        """Send the request."""
        self._exchange = self._call.gateway.client.send(self._plan.upstream, self)

    @property
    def is_holding(self) -> bool:
        """Whether it holds something of budgets or limits."""
        return self._holding is not None

    # The provider's side.

    def on_sent(self) -> None:
        """The request was handed to the connection."""
        self._sent_us = self._elapsed_us()

    def on_head(self, status: int, headers: list[Header]) -> None:
        """The answer's head has arrived: decide how it is relayed."""
        self._first_byte_us = self._elapsed_us()
        self._status = status
        by_name = dict(headers)
        content_type = by_name.get(b"content-type", b"").decode("latin-1")
        self._provider_request_id = _first_of(by_name, _REQUEST_IDS)
        plan = self._plan
        tap = plan.target.dialect.tap(
            plan.endpoint,
            plan.request,
            status=status,
            content_type=content_type,
            headers=HeaderText(by_name),
        )
        self._tap = decoded(tap, by_name.get(b"content-encoding"))
        if status >= _FIRST_ERROR:
            self._heed(status, by_name)
        self._head_headers = headers
        self._comments_cost = self._may_comment(content_type, by_name)
        length = _length(by_name)
        is_json = content_type.startswith("application/json")
        if (
            is_json
            and (status >= _FIRST_ERROR or not plan.request.stream)
            and (length is None or length <= BUFFER_LIMIT)
        ):
            self._buffer = []
        else:
            if plan.stop_at is not None and status < _FIRST_ERROR:
                catalog = self._call.snapshot.catalog
                self._stopper = Stopper(self.facts, plan.stop_at, target=plan.target, catalog=catalog)
                length = None
            self._begin(None if plan.request.strip_usage or self._comments_cost else length)

    def on_body(self, data: bytes) -> None:
        """The next part of the answer's body."""
        tap = self._tap
        if tap is None:
            return
        self._response_bytes += len(data)
        out = tap.feed(data)
        if self._buffer is not None:
            self._hold(out)
        elif self._has_client:
            if out:
                self._answer.send(out)
            if self._stopper is not None:
                self._look(self._stopper, tap, len(data))
        else:
            self._drain(tap, len(data))

    def on_complete(self) -> None:
        """The answer is complete."""
        self._last_byte_us = self._elapsed_us()
        tap = self._tap
        if tap is None or self._is_settled:
            return
        tail = tap.flush()
        reading = tap.finish(complete=True)
        status = self._status or 0
        if self._has_client:
            outcome = Outcome.SUCCESS if status < _FIRST_ERROR and reading.error is None else Outcome.ERROR
        else:
            outcome = Outcome.HANGUP
        row = self._settle(reading, outcome, error=None)
        if self._has_client:
            self._finish_answer(row, tail)
        self._call.finished()

    def on_failure(self, failure: Failure) -> None:
        """The provider could not be reached, or its answer broke off."""
        if self._is_settled:
            return
        self._last_byte_us = self._elapsed_us()
        outcome = Outcome.TIMEOUT if failure.kind in _TIMEOUTS else Outcome.RESET
        if not failure.sent:
            outcome = Outcome.TIMEOUT if failure.kind in _TIMEOUTS else Outcome.ERROR
        if not self._has_client:
            outcome = Outcome.HANGUP
        self._notes += (failure.message,)
        is_stale = self._is_stale(failure)
        reading = UNKNOWN if is_stale and failure.sent else self._broken_reading(sent=failure.sent)
        self._settle(reading, outcome, error=f"upstream_{failure.kind.value}")
        if is_stale and self._call.retry():
            return
        self._report_failure(failure)

    # The client's side.

    def pause(self) -> None:
        """The client does not keep up."""
        if self._exchange is not None and self._has_client:
            self._paused_since_us = self._call.gateway.clock.monotonic_us()
            self._exchange.pause()

    def resume(self) -> None:
        """The client has caught up."""
        if self._exchange is not None:
            self._paused_since_us = None
            self._exchange.resume()

    def client_gone(self) -> None:
        """The client hung up: drop a request that was not sent, read on one that was."""
        if self._is_settled or not self._has_client:
            return
        self._has_client = False
        relay = self._call.snapshot.config.relay
        self._drain_until_us = self._call.gateway.clock.monotonic_us() + int(relay.drain_timeout_s * 1_000_000)
        if self._sent_us is None:
            self._end(NOTHING, Outcome.HANGUP, "the client left before the request was sent")
        elif relay.drain_timeout_s == 0:
            self._stop_draining("relay.drain_timeout_s is 0")
        else:
            self._notes += ("the client hung up; the provider's answer was read on for its usage",)
            self.resume()

    def cut(self, reason: str) -> None:
        """Stop now: settle what was seen and break the answer off."""
        if self._is_settled:
            return
        self._end(self._broken_reading(sent=self._sent_us is not None), Outcome.CUT, reason)

    def sweep(self, now_us: int) -> None:
        """Stop draining, or give up on a client that does not read, when their time is over."""
        if self._drain_until_us is not None and now_us > self._drain_until_us:
            self._stop_draining("the answer took longer than relay.drain_timeout_s")
        elif self._paused_since_us is not None:
            limit_us = int(self._call.snapshot.config.relay.idle_timeout_s * 1_000_000)
            if now_us - self._paused_since_us > limit_us:
                self._notes += ("the client stopped reading; it was disconnected",)
                self._call.drop_client()

    def _look(self, stopper: Stopper, tap: Tap, size: int) -> None:
        """Stop the stream if its hold is used up: end it as by its output cap, and settle what was seen."""
        ending = stopper.ending(tap, size)
        if ending is None:
            return
        if self._exchange is not None:
            self._exchange.cancel()
        self._notes += ("the stream was stopped where its hold in a budget ended; its usage is an estimate",)
        self._settle(tap.finish(complete=False), Outcome.CUT, error=None)
        if ending:
            self._answer.send(ending)
            self._answer.end()
        else:
            self._answer.abort()
        self._call.finished()

    def _heed(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Let the provider rest if it asks for that."""
        gateway, plan = self._call.gateway, self._plan
        now_us, wall_us = gateway.clock.monotonic_us(), gateway.clock.now_us()
        gateway.cooling.heed(plan.target, plan.request.model, status, headers, now_us=now_us, wall_us=wall_us)

    def _may_comment(self, content_type: str, headers: dict[bytes, bytes]) -> bool:
        """Whether the cost can follow the answer as a comment: asked for, and the format has comments."""
        return (
            self._call.wants_cost_comment
            and content_type.startswith("text/event-stream")
            and b"content-encoding" not in headers
            and self._plan.endpoint.dialect not in _UNCOMMENTED
        )

    def _begin(self, length: int | None) -> None:
        if self._has_client:
            model = self._plan.request.model
            headers = returned(self._head_headers) + self._call.own_headers() + self._guard_headers(None)
            if model:
                headers.append((b"x-bursar-model", _header_text(model)))
            self._answer.begin(self._status or 502, headers, length)

    def _hold(self, data: bytes) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        buffer.append(data)
        self._buffered += len(data)
        if self._buffered > BUFFER_LIMIT:
            self._buffer = None
            self._begin(None)
            if self._has_client:
                self._answer.send(b"".join(buffer))

    def _finish_answer(self, row: Settled, tail: bytes) -> None:
        answer = self._answer
        if self._buffer is not None:
            body = self._buffer[0] if len(self._buffer) == 1 and not tail else b"".join((*self._buffer, tail))
            headers = returned(self._head_headers) + self._call.own_headers() + cost_headers(row)
            headers += self._guard_headers(row)
            answer.whole(self._status or 502, headers, body)
            return
        if tail:
            answer.send(tail)
        if self._comments_cost:
            answer.send(cost_comment(row))
        answer.end()

    def _guard_headers(self, row: Settled | None) -> list[Header]:
        """What the client is told about its budgets; ``row`` when the attempt is settled."""
        holding, cap = self._holding, self._plan.output_cap
        headers = []
        left = None if holding is None else holding.remaining(row)
        if left is not None:
            headers.append((b"x-bursar-budget-remaining-usd", format_usd(left).encode("ascii")))
        if cap is not None:
            headers.append((b"x-bursar-max-output-tokens", b"%d" % cap))
        return headers

    def _settle(self, reading: Reading, outcome: Outcome, *, error: str | None) -> Settled:
        self._is_settled = True
        call, plan = self._call, self._plan
        row = settle(
            self.facts,
            reading,
            Ending(
                outcome=outcome,
                status=self._status,
                error=error,
                timings=Timings(self._sent_us, self._first_byte_us, self._last_byte_us, self._elapsed_us()),
                request_bytes=len(plan.upstream.body),
                response_bytes=self._response_bytes,
                provider_request_id=self._provider_request_id,
            ),
            target=plan.target,
            catalog=call.snapshot.catalog,
            decisions=plan.decisions + self._notes if self._notes else plan.decisions,
        )
        counted = row
        if reading.once is not None:
            row, billing = bill_once(row, reading.once)
            counted = billing if call.gateway.bills(billing.facts.call_id) else row
            call.gateway.recorder.append(billing)
        if self._holding is not None:
            # Before the row: should the process die in between, too much is counted until the next start, not too
            # little.
            self._holding.settle(counted)
            call.gateway.noted.settled.append(plan.needs.gates)
        call.gateway.recorder.append(row)
        counts = call.gateway.counts
        counts.outcome(outcome)
        counts.response_bytes += self._response_bytes
        return row

    def _broken_reading(self, *, sent: bool) -> Reading:
        """What an attempt that broke off billed: nothing if it was never sent, else what was seen, or unknown."""
        if not sent:
            return NOTHING
        plan = self._plan
        tap = self._tap
        if tap is None:
            if not plan.endpoint.billable:
                return NOTHING
            tap = plan.target.dialect.tap(plan.endpoint, plan.request, status=200, content_type="", headers={})
        return tap.finish(complete=False)

    def _drain(self, tap: Tap, size: int) -> None:
        """Read on for a client that has left, within limits; its budget has the same end as ever."""
        self._drain_bytes += size
        if self._drain_bytes > self._call.snapshot.config.relay.drain_max_bytes:
            self._stop_draining("the answer was longer than relay.drain_max_bytes")
        elif self._stopper is not None:
            self._look(self._stopper, tap, size)

    def _stop_draining(self, reason: str) -> None:
        self._end(self._broken_reading(sent=self._sent_us is not None), Outcome.HANGUP, reason)

    def _end(self, reading: Reading, outcome: Outcome, reason: str) -> None:
        self._notes += (reason,)
        self._drain_until_us = None
        if self._exchange is not None:
            self._exchange.cancel()
        self._settle(reading, outcome, error=None)
        if self._has_client:
            self._answer.abort()
        self._call.finished()

    def _is_stale(self, failure: Failure) -> bool:
        if failure.kind is not FailureKind.STALE:
            return False
        return self._sent_us is None or self._elapsed_us() - self._sent_us < STALE_WINDOW_US

    def _report_failure(self, failure: Failure) -> None:
        if not self._has_client:
            self._call.finished()
        elif self._answer.has_begun:
            self._answer.abort()
            self._call.finished()
        else:
            self._call.fail(_refusal_of(failure, self._plan.target.name))

    def _elapsed_us(self) -> int:
        return self._call.gateway.clock.monotonic_us() - self._call.admitted_us


def cost_headers(row: Settled) -> list[Header]:
    """What the client is told about a settled attempt."""
    headers = [(b"x-bursar-price-status", _PRICE_STATUSES[row.price_status])]
    if row.cost is not None and row.price_status is not PriceStatus.UNPRICED:
        headers.append((b"x-bursar-cost-usd", format_usd(row.cost).encode("ascii")))
    model = row.model or row.facts.model
    if model:
        headers.append((b"x-bursar-model", _header_text(model)))
    return headers


def cost_comment(row: Settled) -> bytes:
    """The cost as a final SSE comment, which event parsers skip."""
    cost = "unknown" if row.cost is None else format_usd(row.cost)
    return f": bursar cost_usd={cost} price_status={row.price_status.value}\n\n".encode("ascii")


def _header_text(text: str) -> bytes:
    """A header value of untrusted text: printable ASCII only, so that it cannot end the header."""
    return text.encode("ascii", "replace") if text.isprintable() else b"?"


def _refusal_of(failure: Failure, provider: str) -> Refusal:
    if failure.kind in _TIMEOUTS:
        return Refusal("upstream_timeout", f"Provider '{provider}' did not answer in time: {failure.message}.")
    if failure.kind in (FailureKind.MALFORMED, FailureKind.HEADERS_TOO_LARGE):
        return Refusal("upstream_invalid", f"Provider '{provider}' sent an invalid answer: {failure.message}.")
    return Refusal("upstream_unreachable", f"Provider '{provider}' could not be reached: {failure.message}.")


def _length(headers: dict[bytes, bytes]) -> int | None:
    value = headers.get(b"content-length")
    return int(value) if value is not None and value.isdigit() else None


def _first_of(headers: dict[bytes, bytes], names: tuple[bytes, ...]) -> str | None:
    for name in names:
        value = headers.get(name)
        if value:
            return value.decode("latin-1")[:128]
    return None
