"""A price sheet: cards in order of precedence and the names of the models they price, as stored and hashed.

A sheet is what layers are made of and what snapshots on disk hold; `snapshot.Catalog` is a sheet with its indexes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from bursar.price import CardId, PriceCard, Rate, RateSet

_ID_HEX: Final = 10
_DIGEST_HEX: Final = 16

EVERY_MODEL: Final = "*"
"""As a card's model: any model of the provider, listed or not."""


class ModelNames(Struct, frozen=True):
    """One model of one provider, the other names it goes by, and its limits."""

    provider: str
    model: str
    aliases: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    """Dated names it goes by, with the day masked (see `names.shape_of`)."""
    context_window: int | None = None
    """Most input tokens, where the source says."""
    max_output_tokens: int | None = None
    """Most output tokens, where the source says."""
    unpriced_because: str = ""
    """Why a model that the source lists has no card."""


class Sheet(Struct, frozen=True):
    """Cards and names."""

    cards: tuple[PriceCard, ...] = ()
    """In order of precedence: where two cards hold for the same request, the later one wins."""
    models: tuple[ModelNames, ...] = ()
    folded: tuple[str, ...] = ()
    """Providers whose model ids are compared without regard to case."""
    known_at_us: int = 0
    """When the newest fact in it entered a catalog, Unix microseconds."""


def seal(card: PriceCard) -> PriceCard:
    """Give a card its id: provider, model and a hash of everything that makes the price what it is.

    Where a figure came from and when it was learnt are left out, so that the same price keeps its id from one data
    release to the next.
    """
    facts = (
        card.provider,
        card.model,
        _known(card.rates),
        [(tier.above_input_tokens, _known(tier.rates)) for tier in card.tiers],
        card.conditions,
        card.window,
        card.valid_from_us,
        card.valid_to_us,
        card.minimums,
        card.list_card,
    )
    content = hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:_ID_HEX]
    return msgspec.structs.replace(card, id=CardId(f"{card.provider}/{card.model}#{content}"))


def _known(rates: RateSet) -> list[tuple[int, Rate]]:
    """The rates that are known; a meter that is invented later must not change the ids of earlier cards."""
    return [(meter, rate) for meter, rate in enumerate(rates.by_meter) if rate is not None]


def digest_of(sheet: Sheet) -> str:
    """A short hash of the sheet's prices and names; the same facts give the same digest on every machine."""
    content = (
        [card.id for card in sheet.cards],
        sheet.models,
        sheet.folded,
    )
    return hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()[:_DIGEST_HEX]


def stacked(base: Sheet, *, cards: Sequence[PriceCard] = (), models: Iterable[ModelNames] = ()) -> Sheet:
    """A sheet with another layer on top: its cards win over those below, its names are added."""
    known_at = max([base.known_at_us, *(card.known_at_us for card in cards)])
    return Sheet(
        cards=base.cards + tuple(cards),
        models=base.models + tuple(models),
        folded=base.folded,
        known_at_us=known_at,
    )
