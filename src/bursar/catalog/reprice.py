"""Price an attempt again on a later catalog: the correction to record, or none.

A correction is made when the catalog now knows a price the attempt did not have, or knows another one for that time.
A price is never taken back: where the catalog no longer knows the model, the attempt keeps what it was charged.
Applying a correction and repricing again yields nothing, so the job may run any number of times.
"""

from typing import Final

from msgspec import Struct

from bursar.catalog.choose import choose
from bursar.catalog.conditions import Conditions
from bursar.catalog.snapshot import Catalog, NoPrice
from bursar.events import Corrected, PriceStatus
from bursar.money import Pico
from bursar.price import Cost, cost
from bursar.usage import Usage

REPRICED: Final = "repriced"
"""First word of the reason of every correction made here."""


class Attempt(Struct, frozen=True):
    """What the ledger knows about a settled attempt, corrections applied."""

    call_id: str
    attempt: int
    price_list: str
    credential: str | None
    """The configured provider it went through."""
    requested: str | None
    served: str | None
    conditions: Conditions
    at_us: int
    usage: Usage | None
    """``None`` = unknown, which no price can settle. Holds the request and GPU meters, as it was settled."""
    price_status: PriceStatus
    cost: Pico | None
    revision: int
    """Corrections so far."""


def reprice(attempt: Attempt, catalog: Catalog, *, recorded_us: int) -> Corrected | None:
    """The correction that this catalog asks for, or ``None`` when the attempt's cost stands."""
    if attempt.price_status is PriceStatus.NOT_BILLED or attempt.usage is None:
        return None
    found = choose(
        catalog,
        attempt.price_list,
        served=attempt.served,
        requested=attempt.requested,
        conditions=attempt.conditions,
        at_us=attempt.at_us,
        credential=attempt.credential,
    )
    if isinstance(found, NoPrice):
        return None
    charged = cost(attempt.usage, found.card)
    if charged.total is None or charged.total == attempt.cost:
        return None
    return Corrected(
        call_id=attempt.call_id,
        attempt=attempt.attempt,
        revision=attempt.revision + 1,
        recorded_us=recorded_us,
        reason=f"{REPRICED} on {found.card.source}",
        price_status=_status(attempt.usage, charged),
        cost=charged.total,
        delta=Pico(charged.total - (attempt.cost or 0)),
        card=found.card.id,
        catalog=catalog.digest,
        lines=charged.lines,
    )


def _status(usage: Usage, charged: Cost) -> PriceStatus:
    """Free is a price of zero on everything that was used."""
    is_free = bool(usage.counts) and not any(line.rate.pico for line in charged.lines)
    return PriceStatus.FREE if is_free else PriceStatus.PRICED
