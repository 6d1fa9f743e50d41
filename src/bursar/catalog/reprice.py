"""Price an attempt again on a later catalog: the correction to record, or none.

A correction is made when the catalog now knows a price the attempt did not have, or knows another one for that time.
A price is never taken back: where the catalog no longer knows the model, the attempt keeps what it was charged.
Applying a correction and repricing again yields nothing, so the job may run any number of times.
"""

from typing import Final

from msgspec import Struct

from bursar.catalog.charge import ADDED_METERS, Billing, charge_for
from bursar.catalog.snapshot import Catalog
from bursar.events import Corrected, PriceStatus
from bursar.money import Pico
from bursar.usage import Usage

REPRICED: Final = "repriced"
"""First word of the reason of every correction made here."""


class Attempt(Struct, frozen=True):
    """What the ledger knows about a settled attempt, corrections applied."""

    call_id: str
    attempt: int
    revision: int
    """Corrections so far."""
    billing: Billing | None
    """What decides its price; ``None`` = its usage is unknown, which no price can settle."""
    usage: Usage
    """As it was charged."""
    price_status: PriceStatus
    cost: Pico | None


def reported(usage: Usage) -> Usage:
    """The part of a charged usage that the provider reported."""
    return Usage(tuple(pair for pair in usage.counts if pair[0] not in ADDED_METERS))


def reprice(attempt: Attempt, catalog: Catalog, *, recorded_us: int) -> Corrected | None:
    """The correction that this catalog asks for, or ``None`` when the attempt's cost stands."""
    if attempt.price_status is PriceStatus.NOT_BILLED or attempt.billing is None:
        return None
    charged = charge_for(attempt.billing, catalog)
    if charged.cost is None or charged.cost == attempt.cost:
        return None
    card = catalog.card(charged.card) if charged.card is not None else None
    return Corrected(
        call_id=attempt.call_id,
        attempt=attempt.attempt,
        revision=attempt.revision + 1,
        recorded_us=recorded_us,
        reason=f"{REPRICED} on {card.source}" if card is not None else REPRICED,
        price_status=charged.status,
        cost=charged.cost,
        delta=Pico(charged.cost - (attempt.cost or 0)),
        card=charged.card,
        catalog=catalog.digest,
        lines=charged.lines,
        list_cost=charged.list_cost,
        usage=charged.usage.counts if charged.usage != attempt.usage else None,
    )
