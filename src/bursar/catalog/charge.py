"""What an attempt costs: choose the card of what was served and price the usage on it.

The gateway settles with it and a later repricing repeats it, so both come to the same figure from the same facts. Those
facts are all in `Billing`, and rows keep every one of them.

Unknown is never zero: usage without a price, or usage that is unknown, has no cost and is ``unpriced``.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bursar.catalog.choose import choose
from bursar.catalog.conditions import Conditions
from bursar.catalog.snapshot import Catalog, Match, NoPrice
from bursar.events import Part, PriceStatus, Timings
from bursar.money import Pico
from bursar.price import CostLine, cost
from bursar.usage import EMPTY, Meter, Usage, usage_of

ADDED_METERS: Final = frozenset({int(Meter.REQUESTS), int(Meter.GPU_MS)})
"""Meters that no provider reports and a card asks for: they are added when a usage is priced."""

_US_PER_MS: Final = 1000


class Billing(Struct, frozen=True, kw_only=True):
    """Everything that decides what an answered attempt costs."""

    price_list: str
    """The catalog provider it is charged by."""
    credential: str | None
    """The configured provider it went through."""
    requested: str | None
    parts: tuple[Part, ...]
    """The usage as the provider reported it, by the model that served it; an empty name where the answer has none."""
    conditions: Conditions
    """As the account and the answer state them, ordinary values included."""
    at_us: int
    busy_ms: int
    """How long the provider was at work, which is what self-hosted models are charged by."""


class Charge(Struct, frozen=True):
    """What an attempt costs and how that is known."""

    status: PriceStatus
    cost: Pico | None
    list_cost: Pico | None
    """The same usage at list price, where a negotiated price was charged."""
    card: str | None
    lines: tuple[CostLine, ...]
    usage: Usage
    """What was charged: the provider's usage and the meters that the card added."""
    notes: tuple[str, ...] = ()


def charge_for(billing: Billing, catalog: Catalog) -> Charge:
    """Price an answered attempt; of several models, each on its own card."""
    charges = [_charge_part(billing, part, catalog) for part in billing.parts]
    return charges[0] if len(charges) == 1 else _together(charges)


def busy_ms(timings: Timings) -> int:
    """From the request's last byte to the answer's, or to the end of the attempt; 0 when it was never sent."""
    end = timings.last_byte_us if timings.last_byte_us is not None else timings.total_us
    if end is None or timings.sent_us is None:
        return 0
    return max(0, end - timings.sent_us) // _US_PER_MS


def _charge_part(billing: Billing, part: Part, catalog: Catalog) -> Charge:
    found = choose(
        catalog,
        billing.price_list,
        served=part.model or None,
        requested=billing.requested,
        conditions=billing.conditions,
        at_us=billing.at_us,
        credential=billing.credential,
    )
    if isinstance(found, NoPrice):
        return Charge(PriceStatus.UNPRICED, None, None, None, (), part.usage, (f"unpriced: {found.reason}",))
    return _charge_on(found, part.usage, catalog, duration_ms=billing.busy_ms)


def _charge_on(found: Match, usage: Usage, catalog: Catalog, *, duration_ms: int) -> Charge:
    card = found.card
    rates = card.rates.by_meter
    request_fee = rates[Meter.REQUESTS]
    if request_fee is not None and request_fee.pico:
        usage = usage + usage_of({Meter.REQUESTS: 1})
    if rates[Meter.GPU_MS] is not None:
        usage = usage + usage_of({Meter.GPU_MS: duration_ms})
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


def _together(charges: Sequence[Charge]) -> Charge:
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
        status=_status_of([one.status for one in charges]),
        cost=Pico(sum(one.cost for one in charges if one.cost is not None)) if is_known else None,
        list_cost=Pico(sum(value for value in lists if value is not None)) if is_known and has_list else None,
        card=charges[0].card,
        lines=lines,
        usage=usage,
        notes=(*notes, f"{len(charges)} iterations on their own models, priced one by one"),
    )


def _status_of(statuses: Sequence[PriceStatus]) -> PriceStatus:
    """Unpriced when any part is, free when all are."""
    for status in (PriceStatus.UNPRICED, PriceStatus.PRICED):
        if status in statuses:
            return status
    return PriceStatus.FREE
