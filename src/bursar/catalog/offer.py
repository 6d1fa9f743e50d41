"""Every card that may price one model, arranged so that the one that holds for a request is found in a few steps."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.catalog.conditions import ANY_CONDITIONS, ON_REQUEST, SERVICE_TIER, Conditions, describe
from bursar.price import DailyWindow, PriceCard

CREDENTIAL: Final = "credential"
"""Condition that ties a card to one configured provider; it is matched against the caller's, not looked up."""

_ALWAYS: Final = 1 << 63
_MINUTE_US: Final = 60_000_000
_DAY_MINUTES: Final = 1440


class Slot(Struct, frozen=True):
    """One card with the bounds of its validity unpacked."""

    card: PriceCard
    from_us: int
    to_us: int
    window: DailyWindow | None
    credential: str | None


class Offer(Struct, frozen=True):
    """What one provider charges for one model."""

    model: str
    by_conditions: Mapping[Conditions, tuple[Slot, ...]]
    """Slots by normalised conditions, the winning one first."""
    unasked: Mapping[Conditions, tuple[Conditions, ...]] = {}
    """What may be served to a request that asks for nothing, by the account's conditions; what another of them always
    costs more than is left out."""
    otherwise: tuple[Slot, ...] = ()
    """Slots for conditions not named above: cards that hold under any."""
    is_quarantined: bool = False
    """A second source disagrees with the list price."""
    unpriced_because: str = ""

    def find(self, conditions: Conditions, *, at_us: int, credential: str | None) -> PriceCard | None:
        """The card that holds; ``conditions`` must be normalised."""
        for slot in self.by_conditions.get(conditions, self.otherwise):
            if not slot.from_us <= at_us < slot.to_us:
                continue
            if slot.credential is not None and slot.credential != credential:
                continue
            if slot.window is not None and not slot.window.holds(at_us // _MINUTE_US % _DAY_MINUTES):
                continue
            return slot.card
        return None

    def within_reach(
        self, conditions: Conditions, *, tier: str | None, asks: Conditions, at_us: int, credential: str | None
    ) -> tuple[PriceCard, ...]:
        """The cards a request may be charged by before it is known how it is served, less those that are never the
        dearest.

        ``conditions`` are the account's. ``tier`` is one of `PROMISED_TIERS`, which may be served besides the ordinary
        one, or ``None`` when any may. Conditions of `ON_REQUEST` count only where ``asks`` has them. All must be
        normalised.
        """
        candidates = self.unasked.get(conditions) if tier is None and not asks else None
        if candidates is None:
            candidates = _servable(self.by_conditions, conditions, tier, asks)
        found = [self.find(candidate, at_us=at_us, credential=credential) for candidate in candidates]
        return tuple([card for card in found if card is not None])

    def why_not(self, conditions: Conditions) -> str:
        """Why `find` found nothing, in a sentence that goes on from the model's name."""
        if conditions in self.by_conditions:
            return f"has no price at that time for {describe(conditions)}"
        if self.unpriced_because:
            return self.unpriced_because
        known = "; ".join(sorted(describe(one) for one in self.by_conditions)) or "none"
        return f"has no price for {describe(conditions)} (known: {known})"


def _servable(
    known: Iterable[Conditions], account: Conditions, tier: str | None, asks: Conditions
) -> tuple[Conditions, ...]:
    return (account, *(one for one in known if one != account and _is_servable(one, account, tier, asks)))


def _is_servable(candidate: Conditions, account: Conditions, tier: str | None, asks: Conditions) -> bool:
    for pair in candidate:
        name, value = pair
        if pair in account or pair in asks:
            continue
        if name in ON_REQUEST or (name == SERVICE_TIER and tier is not None and tier != value):
            return False
    return all(pair in candidate for pair in account)


def _unasked(by_conditions: Mapping[Conditions, tuple[Slot, ...]]) -> dict[Conditions, tuple[Conditions, ...]]:
    accounts = {tuple(pair for pair in conditions if pair[0] in ON_REQUEST) for conditions in by_conditions}
    return {
        account: _without_cheaper(_servable(by_conditions, account, None, ()), by_conditions) for account in accounts
    }


def _without_cheaper(
    candidates: tuple[Conditions, ...], by_conditions: Mapping[Conditions, tuple[Slot, ...]]
) -> tuple[Conditions, ...]:
    kept: list[Conditions] = []
    for candidate in candidates:
        slots = by_conditions.get(candidate, ())
        if any(_costs_no_more(slots, by_conditions.get(other, ())) for other in kept):
            continue
        kept = [other for other in kept if not _costs_no_more(by_conditions.get(other, ()), slots)]
        kept.append(candidate)
    return tuple(kept)


def _costs_no_more(slots: tuple[Slot, ...], others: tuple[Slot, ...]) -> bool:
    """Whether a price never exceeds another, decided for single cards without context tiers only."""
    if len(slots) != 1 or len(others) != 1:
        return False
    one, other = slots[0], others[0]
    if other.window or other.credential or other.from_us > one.from_us or other.to_us < one.to_us:
        return False
    if one.card.tiers or other.card.tiers or one.card.minimums != other.card.minimums:
        return False
    return all(
        rate is None or (dearer is not None and rate.pico * dearer.per <= dearer.pico * rate.per)
        for rate, dearer in zip(one.card.rates.by_meter, other.card.rates.by_meter, strict=True)
    )


def build_offer(
    model: str, cards: Iterable[PriceCard], *, is_quarantined: bool = False, unpriced_because: str = ""
) -> Offer:
    """Arrange a model's cards, which come in order of precedence with the winning one last."""
    newest_first = list(cards)[::-1]
    split = [_split_credential(card) for card in newest_first]
    keys = {conditions for conditions, _ in split} - {ANY_CONDITIONS}
    by_conditions = {
        key: tuple(slot for conditions, slot in split if conditions in (key, ANY_CONDITIONS)) for key in keys
    }
    return Offer(
        model=model,
        by_conditions=by_conditions,
        unasked=_unasked(by_conditions),
        otherwise=tuple(slot for conditions, slot in split if conditions == ANY_CONDITIONS),
        is_quarantined=is_quarantined,
        unpriced_because=unpriced_because,
    )


def _split_credential(card: PriceCard) -> tuple[Conditions, Slot]:
    credential = None
    conditions = []
    for name, value in card.conditions:
        if name == CREDENTIAL:
            credential = value
        else:
            conditions.append((name, value))
    slot = Slot(
        card=card,
        from_us=-_ALWAYS if card.valid_from_us is None else card.valid_from_us,
        to_us=_ALWAYS if card.valid_to_us is None else card.valid_to_us,
        window=card.window,
        credential=credential,
    )
    return tuple(conditions), slot
