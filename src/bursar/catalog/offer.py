"""Every card that may price one model, arranged so that the one that holds for a request is found in a few steps."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from bursar.catalog.conditions import ANY_CONDITIONS, Conditions, describe
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

    def why_not(self, conditions: Conditions) -> str:
        """Why `find` found nothing, in a sentence that goes on from the model's name."""
        if conditions in self.by_conditions:
            return f"has no price at that time for {describe(conditions)}"
        if self.unpriced_because:
            return self.unpriced_because
        known = "; ".join(sorted(describe(one) for one in self.by_conditions)) or "none"
        return f"has no price for {describe(conditions)} (known: {known})"


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
