"""A ledger row: what one attempt came to, or a correction of it, as it is stored for ever.

Rows are only ever added. A correction is two rows beside the old one: a *reversal*, which repeats the present row with
every quantity negated, and a *restatement* with what is true now. So the plain sum over all rows is the present truth,
whatever they are grouped by: an attempt that goes from unpriced to priced leaves the one group and enters the other.
``weight`` is 1 or -1, and ``sum(weight)`` counts attempts.

(call id, attempt, revision, kind) is a row's identity. Revision 0 is the attempt itself; each correction counts on.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, structs

from bursar.events import Corrected, Opened, Outcome, Part, PriceStatus, Settled, Timings, UsageStatus
from bursar.price import CostLine

PROMOTED_TAGS: Final = ("feature", "environment", "user", "customer", "use_case", "traffic", "workload", "untagged")
"""Tags with a column of their own, because most companies report by them; any other lives in ``tags``."""

TAG_COLUMNS: Final = frozenset(PROMOTED_TAGS) | {"organisation", "team", "project", "key"}
"""Tag names that are columns, promoted or part of the principal, and so are not repeated in ``tags``."""

AttemptKey = tuple[str, int]
"""(call id, attempt)."""


class RowKind(StrEnum):
    """What a row is to the attempt it belongs to."""

    ATTEMPT = "attempt"
    REVERSAL = "reversal"
    RESTATEMENT = "restatement"


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One row; field order is column order. Money is picodollars; ``None`` is unknown, never zero."""

    call_id: str
    attempt: int
    revision: int
    kind: str
    weight: int
    at_us: int
    """The attempt's admission, Unix microseconds UTC; a correction keeps it, so that it lands in the same period."""
    recorded_us: int
    """When the row's content became known."""
    organisation: str
    team: str
    project: str
    key: str
    feature: str | None
    environment: str | None
    user: str | None
    customer: str | None
    use_case: str | None
    traffic: str | None
    workload: str | None
    untagged: str | None
    tags: tuple[tuple[str, str], ...]
    task: str | None
    task_type: str | None
    dialect: str
    operation: str
    provider: str
    requested_model: str | None
    model: str | None
    """The model that served; ``None`` when the provider named none."""
    stream: bool
    outcome: str
    status: int | None
    error: str | None
    service_tier: str | None
    response_id: str | None
    provider_request_id: str | None
    usage_status: str
    price_status: str
    cost_pico: int | None
    list_cost_pico: int | None
    provider_cost_pico: int | None
    bound_pico: int | None
    """The most the attempt could cost."""
    bound_tokens: int | None
    """The most tokens it could use; ``None`` also in rows from before it was kept."""
    card: str | None
    catalog: str
    price_list: str | None
    """The catalog provider it is charged by; ``None`` in rows from before it was kept, and where nothing was sent."""
    conditions: tuple[tuple[str, str], ...]
    """The facts that chose among the card's variants."""
    parts: bytes
    """What each of several models used: msgpack of ``tuple[Part, ...]``, empty when one model did all."""
    config: str
    lines: bytes
    """The cost's lines: msgpack of ``tuple[CostLine, ...]``, empty when there are none."""
    decisions: tuple[str, ...]
    raw_usage: str | None
    sent_us: int | None
    first_byte_us: int | None
    last_byte_us: int | None
    total_us: int | None
    request_bytes: int
    response_bytes: int
    usage: tuple[tuple[int, int], ...]
    """(meter, quantity) pairs; each meter has a column of its own."""

    @property
    def attempt_key(self) -> AttemptKey:
        """The attempt this row belongs to."""
        return self.call_id, self.attempt

    @property
    def cost_lines(self) -> tuple[CostLine, ...]:
        """The cost's lines, decoded."""
        return _DECODE_LINES.decode(self.lines) if self.lines else ()

    @property
    def model_parts(self) -> tuple[Part, ...]:
        """What each of several models used, decoded."""
        return _DECODE_PARTS.decode(self.parts) if self.parts else ()


_DECODE_LINES: Final = msgspec.msgpack.Decoder(tuple[CostLine, ...])
_DECODE_PARTS: Final = msgspec.msgpack.Decoder(tuple[Part, ...])
_ENCODE: Final = msgspec.msgpack.Encoder()


def settled_row(settled: Settled, *, recorded_us: int | None = None) -> Row:
    """The row of an attempt whose outcome is known; it was recorded when it was settled unless said otherwise."""
    facts = settled.facts
    principal = facts.principal
    timings = settled.timings
    tags = dict(facts.tags)
    return Row(
        call_id=facts.call_id,
        attempt=facts.attempt,
        revision=0,
        kind=RowKind.ATTEMPT.value,
        weight=1,
        at_us=facts.at_us,
        recorded_us=facts.at_us + (timings.total_us or 0) if recorded_us is None else recorded_us,
        organisation=principal.organisation,
        team=principal.team,
        project=principal.project,
        key=principal.key,
        feature=tags.get("feature"),
        environment=tags.get("environment"),
        user=tags.get("user"),
        customer=tags.get("customer"),
        use_case=tags.get("use_case"),
        traffic=tags.get("traffic"),
        workload=tags.get("workload"),
        untagged=tags.get("untagged"),
        tags=tuple(pair for pair in facts.tags if pair[0] not in TAG_COLUMNS),
        task=facts.task,
        task_type=facts.task_type,
        dialect=facts.dialect,
        operation=facts.operation,
        provider=facts.provider,
        requested_model=facts.model,
        model=settled.model,
        stream=facts.stream,
        outcome=settled.outcome.value,
        status=settled.status,
        error=settled.error,
        service_tier=settled.service_tier,
        response_id=settled.response_id,
        provider_request_id=settled.provider_request_id,
        usage_status=settled.usage_status.value,
        price_status=settled.price_status.value,
        cost_pico=settled.cost,
        list_cost_pico=settled.list_cost,
        provider_cost_pico=settled.provider_cost,
        bound_pico=facts.bound,
        bound_tokens=facts.bound_tokens,
        card=settled.card,
        catalog=facts.catalog,
        price_list=settled.price_list,
        conditions=settled.conditions,
        parts=_ENCODE.encode(settled.parts) if settled.parts else b"",
        config=facts.config,
        lines=encode_lines(settled.lines),
        decisions=settled.decisions,
        raw_usage=settled.raw_usage,
        sent_us=timings.sent_us,
        first_byte_us=timings.first_byte_us,
        last_byte_us=timings.last_byte_us,
        total_us=timings.total_us,
        request_bytes=settled.request_bytes,
        response_bytes=settled.response_bytes,
        usage=settled.usage,
    )


def interrupted_row(opened: Opened, *, recorded_us: int) -> Row:
    """The row of an attempt whose process died before it was settled: its cost is bounded, not known."""
    return settled_row(
        Settled(
            facts=opened.facts,
            outcome=Outcome.INTERRUPTED,
            status=None,
            error=None,
            model=None,
            service_tier=None,
            response_id=None,
            usage=(),
            usage_status=UsageStatus.MISSING,
            raw_usage=None,
            price_status=PriceStatus.UNPRICED,
            cost=None,
            list_cost=None,
            provider_cost=None,
            card=opened.facts.card,
            lines=(),
            decisions=("the gateway's process ended before the attempt was settled",),
            timings=Timings(),
        ),
        recorded_us=recorded_us,
    )


def corrected_rows(present: Row, corrected: Corrected) -> tuple[Row, Row]:
    """The reversal of an attempt's present row and its restatement at the corrected price."""
    restated = structs.replace(
        present,
        kind=RowKind.RESTATEMENT.value,
        revision=corrected.revision,
        recorded_us=corrected.recorded_us,
        price_status=corrected.price_status.value,
        cost_pico=corrected.cost,
        list_cost_pico=corrected.list_cost,
        usage=present.usage if corrected.usage is None else corrected.usage,
        card=corrected.card,
        catalog=corrected.catalog,
        lines=encode_lines(corrected.lines),
        decisions=(*present.decisions, corrected.reason),
    )
    return _reversal(present, restated), restated


def resettled_rows(present: Row, settled: Settled) -> tuple[Row, Row]:
    """The reversal of an interrupted row and its restatement by a settlement that was found later."""
    restated = structs.replace(settled_row(settled), kind=RowKind.RESTATEMENT.value, revision=present.revision + 1)
    return _reversal(present, restated), restated


def encode_lines(lines: tuple[CostLine, ...]) -> bytes:
    """Cost lines as they are stored."""
    return _ENCODE.encode(lines) if lines else b""


def _reversal(present: Row, restated: Row) -> Row:
    return structs.replace(
        present,
        kind=RowKind.REVERSAL.value,
        revision=restated.revision,
        recorded_us=restated.recorded_us,
        weight=-present.weight,
        cost_pico=_negated(present.cost_pico),
        list_cost_pico=_negated(present.list_cost_pico),
        provider_cost_pico=_negated(present.provider_cost_pico),
        bound_pico=_negated(present.bound_pico),
        bound_tokens=_negated(present.bound_tokens),
        conditions=(),
        parts=b"",
        lines=b"",
        decisions=(),
        raw_usage=None,
        sent_us=None,
        first_byte_us=None,
        last_byte_us=None,
        total_us=None,
        request_bytes=-present.request_bytes,
        response_bytes=-present.response_bytes,
        usage=tuple((meter, -quantity) for meter, quantity in present.usage),
    )


def _negated(amount: int | None) -> int | None:
    return None if amount is None else -amount
