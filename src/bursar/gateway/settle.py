"""From a reading to a settled row: choose the card, price the usage, say what is known. Pure.

Unknown is never zero: usage without a price, or no usage where there should be some, leaves ``cost`` as ``None`` and
the row ``unpriced``. Only an answer that bills nothing (a refusal, a provider's error, a free route) costs zero.
"""

from typing import Final

from msgspec import Struct

from bursar.catalog.choose import choose
from bursar.catalog.snapshot import Catalog, Match, NoPrice
from bursar.dialects.base import Part, Reading
from bursar.events import CallFacts, Outcome, PriceStatus, Settled, Timings, UsageStatus
from bursar.gateway.targets import Target
from bursar.money import Pico
from bursar.price import CostLine, cost
from bursar.usage import EMPTY, Meter, Usage, usage_of

_US_PER_MS: Final = 1000

NOTHING: Final = Reading(usage=EMPTY, status=UsageStatus.NONE)
"""The reading of an attempt that billed nothing."""


class Ending(Struct, frozen=True):
    """How an attempt ended, as the relay saw it."""

    outcome: Outcome
    status: int | None
    error: str | None
    timings: Timings
    request_bytes: int
    response_bytes: int
    provider_request_id: str | None = None


class Charge(Struct, frozen=True):
    """What an attempt costs and how that is known."""

    status: PriceStatus
    cost: Pico | None
    list_cost: Pico | None
    card: str | None
    lines: tuple[CostLine, ...]
    usage: Usage
    notes: tuple[str, ...] = ()


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
    )


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
    parts = reading.parts or (Part(reading.model or "", reading.usage),)
    charges = [_price_part(facts, part, reading, timings, target=target, catalog=catalog) for part in parts]
    return charges[0] if len(charges) == 1 else _together(charges)


def _price_part(
    facts: CallFacts, part: Part, reading: Reading, timings: Timings, *, target: Target, catalog: Catalog
) -> Charge:
    conditions = conditions_of(target, reading)
    found = choose(
        catalog,
        target.price_list,
        served=part.model or None,
        requested=facts.model,
        conditions=conditions,
        at_us=facts.at_us,
        credential=target.name,
    )
    if isinstance(found, NoPrice):
        return Charge(PriceStatus.UNPRICED, None, None, None, (), part.usage, (f"unpriced: {found.reason}",))
    return charge(found, part.usage, timings, catalog=catalog)


def conditions_of(target: Target, reading: Reading) -> tuple[tuple[str, str], ...]:
    """The facts that select a price variant: the account's, and what the provider says it served."""
    if reading.service_tier is None and not reading.conditions:
        return target.conditions
    served = dict(target.conditions)
    served.update(reading.conditions)
    if reading.service_tier is not None:
        served["service_tier"] = reading.service_tier
    return tuple(sorted(served.items()))


def charge(found: Match, usage: Usage, timings: Timings, *, catalog: Catalog) -> Charge:
    """Apply a card to a usage, adding the meters that only the gateway can count."""
    card = found.card
    rates = card.rates.by_meter
    request_fee = rates[Meter.REQUESTS]
    if request_fee is not None and request_fee.pico:
        usage = usage + usage_of({Meter.REQUESTS: 1})
    if rates[Meter.GPU_MS] is not None:
        usage = usage + usage_of({Meter.GPU_MS: _busy_ms(timings)})
    price_of = cost(usage, card)
    if price_of.total is None:
        missing = ", ".join(Meter(meter).label for meter in price_of.missing)
        note = f"unpriced: {card.provider}/{card.model} has no price for {missing}"
        return Charge(PriceStatus.UNPRICED, None, None, card.id, price_of.lines, usage, (note,))
    is_free = not price_of.total and not any(line.rate.pico for line in price_of.lines)
    list_card = catalog.card(card.list_card) if card.list_card else None
    return Charge(
        status=PriceStatus.FREE if is_free and usage.counts else PriceStatus.PRICED,
        cost=price_of.total,
        list_cost=cost(usage, list_card).total if list_card else None,
        card=card.id,
        lines=price_of.lines,
        usage=usage,
        notes=_match_notes(found),
    )


def _match_notes(found: Match) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if found.via != "exact":
        notes += (f"priced as {found.card.model}: the catalog lists the name as its {found.via}",)
    if found.quarantined:
        notes += (f"price of {found.card.model} is in quarantine: a second source disagrees (bursar prices check)",)
    return notes


def _busy_ms(timings: Timings) -> int:
    end = timings.last_byte_us if timings.last_byte_us is not None else timings.total_us
    start = timings.sent_us
    if end is None or start is None:
        return 0
    return max(0, end - start) // _US_PER_MS


def _together(charges: list[Charge]) -> Charge:
    usage = EMPTY
    lines: tuple[CostLine, ...] = ()
    notes: tuple[str, ...] = ()
    for one in charges:
        usage = usage + one.usage
        lines += one.lines
        notes += one.notes
    is_known = all(one.cost is not None for one in charges)
    lists = [one.list_cost if one.list_cost is not None else one.cost for one in charges]
    has_list = any(one.list_cost is not None for one in charges)
    return Charge(
        status=PriceStatus.PRICED if is_known else PriceStatus.UNPRICED,
        cost=Pico(sum(one.cost for one in charges if one.cost is not None)) if is_known else None,
        list_cost=Pico(sum(value for value in lists if value is not None)) if is_known and has_list else None,
        card=charges[0].card,
        lines=lines,
        usage=usage,
        notes=(*notes, f"{len(charges)} iterations on their own models, priced one by one"),
    )
