"""From a reading to a settled row: what was used, what it cost, what is known. Pure.

Unknown is never zero: usage without a price, or no usage where there should be some, leaves ``cost`` as ``None`` and
the row ``unpriced``. Only an answer that bills nothing (a refusal, a provider's error, a free route) costs zero.
"""

import uuid
from typing import Final

import msgspec
from msgspec import Struct

from bursar.catalog.charge import Billing, Charge, busy_ms, charge_for
from bursar.catalog.conditions import Conditions
from bursar.catalog.snapshot import Catalog
from bursar.dialects.base import Reading
from bursar.events import CallFacts, Outcome, Part, PriceStatus, Settled, Timings, UsageStatus
from bursar.gateway.targets import Target
from bursar.money import Pico
from bursar.usage import EMPTY

NOTHING: Final = Reading(usage=EMPTY, status=UsageStatus.NONE)
"""The reading of an attempt that billed nothing."""

_BILLED_ONCE: Final = uuid.UUID("6b1d7a52-6f0e-5c0a-9d1e-0f6f1a3c8e44")
"""Namespace of the names under which usage is billed once (RFC 9562 §5.5); any constant would do, but only one."""


class Ending(Struct, frozen=True):
    """How an attempt ended, as the relay saw it."""

    outcome: Outcome
    status: int | None
    error: str | None
    timings: Timings
    request_bytes: int
    response_bytes: int
    provider_request_id: str | None = None


def settle(
    facts: CallFacts, reading: Reading, ending: Ending, *, target: Target, catalog: Catalog, decisions: tuple[str, ...]
) -> Settled:
    """The row of an attempt that reached a provider."""
    charge = price(facts, reading, ending.timings, target=target, catalog=catalog)
    return Settled(
        facts=facts,
        outcome=ending.outcome,
        status=ending.status,
        error=ending.error or reading.error,
        model=reading.model,
        service_tier=reading.service_tier,
        response_id=reading.response_id,
        usage=charge.usage.counts,
        usage_status=reading.status,
        raw_usage=reading.raw_usage,
        price_status=charge.status,
        cost=charge.cost,
        list_cost=charge.list_cost,
        provider_cost=reading.provider_cost,
        card=charge.card,
        lines=charge.lines,
        decisions=decisions + reading.notes + charge.notes,
        timings=ending.timings,
        request_bytes=ending.request_bytes,
        response_bytes=ending.response_bytes,
        provider_request_id=ending.provider_request_id,
        price_list=target.price_list,
        conditions=conditions_of(target, reading),
        parts=reading.parts,
    )


def bill_once(row: Settled, once: str) -> tuple[Settled, Settled]:
    """Split a row whose usage other answers report as well into the answer's own row and the row that bills.

    The billing row's identity follows from the provider and ``once``, so that the ledger, which takes an identity in
    only once, bills the first report and ignores the rest. It is a second attempt in name, so that no call is counted
    for it.
    """
    name = uuid.uuid5(_BILLED_ONCE, f"{row.facts.provider}/{once}")
    own = msgspec.structs.replace(
        row,
        usage=(),
        usage_status=UsageStatus.NONE,
        price_status=PriceStatus.NOT_BILLED,
        cost=Pico(0),
        list_cost=None,
        lines=(),
        parts=(),
        decisions=(*row.decisions, f"billed by call {name}"),
    )
    billing = msgspec.structs.replace(
        row,
        facts=msgspec.structs.replace(row.facts, call_id=str(name), attempt=2),
        decisions=(*row.decisions, f"first reported to call {row.facts.call_id}"),
    )
    return own, billing


def refuse(facts: CallFacts, *, status: int, code: str, message: str, request_bytes: int, total_us: int) -> Settled:
    """The row of a request that was never sent to a provider."""
    return Settled(
        facts=facts,
        outcome=Outcome.REFUSED,
        status=status,
        error=code,
        model=None,
        service_tier=None,
        response_id=None,
        usage=(),
        usage_status=UsageStatus.NONE,
        raw_usage=None,
        price_status=PriceStatus.NOT_BILLED,
        cost=Pico(0),
        list_cost=None,
        provider_cost=None,
        card=None,
        lines=(),
        decisions=(f"refused: {message}",),
        timings=Timings(total_us=total_us),
        request_bytes=request_bytes,
    )


def price(facts: CallFacts, reading: Reading, timings: Timings, *, target: Target, catalog: Catalog) -> Charge:
    """Price a reading on the catalog of its call's admission."""
    if reading.status is UsageStatus.NONE:
        return Charge(PriceStatus.NOT_BILLED, Pico(0), None, None, (), EMPTY)
    if reading.usage is None:
        return Charge(PriceStatus.UNPRICED, None, None, facts.card, (), EMPTY, ("unpriced: usage is unknown",))
    billing = Billing(
        price_list=target.price_list,
        credential=target.name,
        requested=facts.model,
        parts=reading.parts or (Part(reading.model or "", reading.usage),),
        conditions=conditions_of(target, reading),
        at_us=facts.at_us,
        busy_ms=busy_ms(timings),
    )
    return charge_for(billing, catalog)


def conditions_of(target: Target, reading: Reading) -> Conditions:
    """The facts that select a price variant: the account's, and what the provider says it served."""
    tier = reading.service_tier
    if not reading.conditions:
        if tier is None:
            return target.conditions
        if not target.conditions:
            return (("service_tier", tier),)
    served = dict(target.conditions)
    served.update(reading.conditions)
    if tier is not None:
        served["service_tier"] = tier
    return tuple(sorted(served.items()))
