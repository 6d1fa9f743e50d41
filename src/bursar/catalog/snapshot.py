"""The catalog: one immutable snapshot of all price cards, and the lookup that the request path uses.

A name is found exactly, in the alias table, or as a dated snapshot the source vouches for; nothing here compares
prefixes or patterns, so a name that merely resembles a priced one has no price. The lookup fails closed: when any part
of the question has no answer in the list (the model, the tier, the date) the result is `NoPrice` and says which.
"""

from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter
from typing import Literal

from msgspec import Struct

from bursar.catalog.conditions import PROMISED_TIERS, Conditions, normalise
from bursar.catalog.names import bedrock_id, shape_of
from bursar.catalog.offer import Offer, build_offer
from bursar.catalog.sheet import EVERY_MODEL, ModelNames, Sheet, digest_of
from bursar.price import PriceCard

Via = Literal["exact", "alias", "snapshot"]


class Match(Struct, frozen=True):
    """The price of a request, and how its model's name led there."""

    card: PriceCard
    via: Via
    quarantined: bool = False
    """A second price source disagrees with the list price of this model."""


class NoPrice(Struct, frozen=True):
    """No price is known; ``reason`` names what is missing."""

    reason: str


class Named(Struct, frozen=True):
    """What a name stands for."""

    offer: Offer
    via: Via


class PriceList(Struct, frozen=True):
    """One provider's offers by every name they go by."""

    offers: Mapping[str, Offer]
    names: Mapping[str, Named]
    shapes: Mapping[str, Offer]
    folded: Mapping[str, Named]
    """Names in lower case, for providers whose ids are compared without regard to case; otherwise empty."""
    every_model: Offer | None
    """What holds for any model, listed or not."""

    def find(self, name: str) -> Named | None:
        """What this name stands for, if anything."""
        found = self.names.get(name)
        if found is not None:
            return found
        if self.folded:
            found = self.folded.get(name.lower())
            if found is not None:
                return found
        shape = shape_of(name)
        offer = self.shapes.get(shape) if shape is not None else None
        return Named(offer, "snapshot") if offer is not None else None


class Catalog(Struct, frozen=True):
    """All prices known at one moment; swapped as a whole, never edited."""

    digest: str
    """Hash of the prices and names: 16 hex digits, kept with every row."""
    known_at_us: int
    """When its newest fact became known, Unix microseconds."""
    sheet: Sheet
    lists: Mapping[str, PriceList]
    by_id: Mapping[str, PriceCard]
    limits: Mapping[tuple[str, str], ModelNames]

    def resolve(
        self,
        provider: str,
        model: str,
        *,
        conditions: Conditions = (),
        at_us: int,
        credential: str | None = None,
    ) -> Match | NoPrice:
        """The card for a model at a catalog provider, under these conditions, at this instant.

        ``credential`` is the configured provider the call goes through, which a negotiated price may be tied to.
        """
        prices = self.lists.get(provider)
        if prices is None:
            return NoPrice(f"there is no price list for provider {provider}; add [[prices]] entries for it")
        found = prices.names.get(model) or self._find(provider, prices, model)
        wanted = normalise(conditions) if conditions else conditions
        if found is None:
            return _unlisted(provider, prices, model, wanted, at_us=at_us, credential=credential)
        offer = found.offer
        card = offer.find(wanted, at_us=at_us, credential=credential)
        if card is None:
            return NoPrice(f"{provider}/{offer.model} {offer.why_not(wanted)}")
        return Match(card, found.via, offer.is_quarantined)

    def within_reach(
        self,
        provider: str,
        model: str,
        *,
        conditions: Conditions = (),
        tier: str | None = None,
        asks: Conditions = (),
        at_us: int,
        credential: str | None = None,
    ) -> tuple[PriceCard, ...]:
        """Every card a request to a model may turn out to be charged by; empty when the list does not know the model.

        ``tier`` is the service tier the caller asks for and ``asks`` are further conditions that the request sets; what
        may be served without being asked for is included.
        """
        prices = self.lists.get(provider)
        if prices is None:
            return ()
        found = prices.names.get(model) or self._find(provider, prices, model)
        offer = found.offer if found is not None else prices.every_model
        if offer is None:
            return ()
        return offer.within_reach(
            normalise(conditions) if conditions else conditions,
            tier=tier if tier in PROMISED_TIERS else None,
            asks=normalise(asks) if asks else asks,
            at_us=at_us,
            credential=credential,
        )

    def canonical(self, provider: str, model: str) -> str | None:
        """The listed id a name stands for; ``None`` when the list does not know it."""
        prices = self.lists.get(provider)
        found = self._find(provider, prices, model) if prices is not None else None
        return found.offer.model if found is not None else None

    def card(self, card_id: str) -> PriceCard | None:
        """A card of this snapshot by its id."""
        return self.by_id.get(card_id)

    def providers(self) -> tuple[str, ...]:
        """Providers with a price list, in order."""
        return tuple(sorted(self.lists))

    def models(self, provider: str) -> tuple[str, ...]:
        """The model ids a provider's list holds, in order; empty for an unknown provider."""
        prices = self.lists.get(provider)
        return tuple(sorted(prices.offers)) if prices is not None else ()

    def context_window(self, provider: str, model: str) -> int | None:
        """Most input tokens the model takes, where a source says."""
        limits = self._limits(provider, model)
        return limits.context_window if limits is not None else None

    def max_output_tokens(self, provider: str, model: str) -> int | None:
        """Most tokens the model puts out, where a source says."""
        limits = self._limits(provider, model)
        return limits.max_output_tokens if limits is not None else None

    def _find(self, provider: str, prices: PriceList, model: str) -> Named | None:
        found = prices.find(model)
        if found is not None or provider != "aws":
            return found
        inner = bedrock_id(model)
        return prices.find(inner) if inner is not None else None

    def _limits(self, provider: str, model: str) -> ModelNames | None:
        canonical = self.canonical(provider, model)
        return self.limits.get((provider, canonical)) if canonical is not None else None


def build_catalog(sheet: Sheet, *, quarantine: frozenset[tuple[str, str]] = frozenset()) -> Catalog:
    """Index a sheet. ``quarantine`` holds the (provider, model) pairs a second source disagrees on."""
    cards: dict[str, dict[str, list[_Ranked]]] = defaultdict(lambda: defaultdict(list))
    for rank, card in enumerate(sheet.cards):
        cards[card.provider][card.model].append((rank, card))
    models: dict[str, list[ModelNames]] = defaultdict(list)
    for names in sheet.models:
        models[names.provider].append(names)
    lists = {
        provider: _price_list(
            cards[provider],
            models[provider],
            is_folded=provider in sheet.folded,
            quarantine=frozenset(model for owner, model in quarantine if owner == provider),
        )
        for provider in sorted(cards.keys() | models.keys())
    }
    return Catalog(
        digest=digest_of(sheet),
        known_at_us=sheet.known_at_us,
        sheet=sheet,
        lists=lists,
        by_id={card.id: card for card in sheet.cards},
        limits=_limits_of(sheet.models),
    )


_Ranked = tuple[int, PriceCard]
"""A card and its place in the sheet's order of precedence."""


def _price_list(
    cards: Mapping[str, list[_Ranked]],
    models: list[ModelNames],
    *,
    is_folded: bool,
    quarantine: frozenset[str],
) -> PriceList:
    for_every = cards.get(EVERY_MODEL, [])
    reasons = {names.model: names.unpriced_because for names in models}
    offers = {
        model: build_offer(
            model,
            _by_rank(cards.get(model, []), for_every),
            is_quarantined=model in quarantine,
            unpriced_because=reasons.get(model, ""),
        )
        for model in sorted((cards.keys() | reasons.keys()) - {EVERY_MODEL})
    }
    names = {alias: Named(offers[one.model], "alias") for one in models for alias in one.aliases}
    names.update({model: Named(offer, "exact") for model, offer in offers.items()})
    return PriceList(
        offers=offers,
        names=names,
        shapes={shape: offers[one.model] for one in models for shape in one.shapes},
        folded=_folded(names) if is_folded else {},
        every_model=build_offer(EVERY_MODEL, _by_rank(for_every, [])) if for_every else None,
    )


def _by_rank(own: list[_Ranked], for_every: list[_Ranked]) -> list[PriceCard]:
    ranked = own if not for_every else sorted(own + for_every, key=itemgetter(0))
    return [card for _, card in ranked]


def _folded(names: Mapping[str, Named]) -> dict[str, Named]:
    folded: dict[str, Named] = {}
    clashing = set()
    for name, named in names.items():
        other = folded.setdefault(name.lower(), named)
        if other.offer is not named.offer:
            clashing.add(name.lower())
    return {name: named for name, named in folded.items() if name not in clashing}


def _unlisted(
    provider: str, prices: PriceList, model: str, wanted: Conditions, *, at_us: int, credential: str | None
) -> Match | NoPrice:
    if prices.every_model is not None:
        card = prices.every_model.find(wanted, at_us=at_us, credential=credential)
        if card is not None:
            return Match(card, "exact")
    return NoPrice(
        f"{provider} does not list a model named {model}; add [[prices]] for it, or [[aliases]] if it is another name"
    )


def _limits_of(models: tuple[ModelNames, ...]) -> dict[tuple[str, str], ModelNames]:
    limits: dict[tuple[str, str], ModelNames] = {}
    for names in models:
        if names.context_window is not None or names.max_output_tokens is not None:
            limits[names.provider, names.model] = names
    return limits
