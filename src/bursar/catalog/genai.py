"""List prices out of the installed `genai-prices` package, compiled into cards.

The package describes a model by dated prices, daily windows and variants for a context ("processing": "batch"). Which
of them apply together is its own rule (`ModelInfo.get_prices`), so we ask that rule once for every stretch of time on
which the answer can change, and write each distinct answer down as one card. Three things are ours:

- A variant that has not started yet, or that a model does not have, is *no card*, where the package would silently
  return the ordinary price.
- A model whose prices are empty is unpriced unless its provider documents it as free.
- Providers that resell others' models (Azure) get the owners' token rates, for global deployments only, as the package
  itself does; fees for tools are the host's and stay unknown.

Importing the package costs 0.5 s, so only a missing cache reaches this module (see `compiled`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from genai_prices import types
from genai_prices.data import providers as packaged_providers
from msgspec.structs import replace

from bursar.catalog.conditions import DEPLOYMENTS, Conditions, normalise
from bursar.catalog.genai_names import NameRules, a_day_of
from bursar.catalog.genai_timeline import Stretch, timeline
from bursar.catalog.rates import FREE_METERS, TOKEN_METERS, ZERO, UnknownUnit, free_rates, known_rates, spread
from bursar.catalog.sheet import ModelNames, Sheet, seal
from bursar.price import CardId, PriceCard, Rate, RateSet, Tier, rate_set
from bursar.usage import Meter

RELEASED: Final[Mapping[str, str]] = {"0.2.3": "2026-11-10T21:51:41Z"}
"""When a version of the package was published on PyPI: from then on its prices were knowable."""

UNKNOWN_RELEASE: Final = "2026-11-22T00:00:00Z"
"""Stands in for the release date of other versions: the day this compiler was written. Ids and digests must not depend
on the machine's clock, and installed packages do not carry their date."""

FREE_MODELS: Final = frozenset(
    {
        ("openai", "moderation"),  # "free of charge", the package's description of the model
        ("google", "gemma-3"),  # free tier only: https://ai.google.dev/gemini-api/docs/pricing
        ("google", "gemma-3n"),
        ("google", "gemma-4-26b-a4b-it"),
        ("google", "gemma-4-31b-it"),
    }
)
"""Models without prices that their providers document as free."""

FREE_SUFFIX: Final = ":free"
"""OpenRouter's marker of a free variant, followed by other routers."""

MINIMUMS: Final[Mapping[tuple[str, str], tuple[tuple[int, int], ...]]] = {
    ("groq", "whisper-large-v3"): ((int(Meter.INPUT_AUDIO_MS), 10_000),),
    ("groq", "whisper-large-v3-turbo"): ((int(Meter.INPUT_AUDIO_MS), 10_000),),
}
"""Least billed quantities: Groq bills ten seconds of audio at least (the package's `calc_price`, Groq pricing page)."""

GAPS: Final[Mapping[tuple[str, str], tuple[Meter, ...]]] = {
    ("openai", "gpt-4o-audio-preview"): (Meter.INPUT_AUDIO, Meter.OUTPUT_AUDIO),
    ("openai", "gpt-4o-mini-audio-preview"): (Meter.INPUT_AUDIO, Meter.OUTPUT_AUDIO),
}
"""Meters the package would charge at the text price where the provider charges more: OpenAI prices these models' audio
apart ($40 and $80 a million tokens in the price map of LiteLLM 1.109.1, against $2.50 and $10 for text). Unknown here.
"""

GLOBAL_DEPLOYMENT: Final[Conditions] = (("deployment", "global"),)
"""What resold models, and all of Azure's, are listed for: "prices for *-Global models", the package says of Azure."""

_US_PER_SECOND: Final = 1_000_000

_Price = Decimal | types.TieredPrices
_Rates = dict[Meter, Rate]


def compile_package(version: str, providers: Sequence[types.Provider] = packaged_providers) -> Sheet:
    """Compile the package's data; ``version`` names it in every card's source."""
    known_at_us = _released_us(version)
    source = f"genai-prices {version}"
    rules = NameRules(providers)
    cards: list[PriceCard] = []
    models: list[ModelNames] = []
    for provider in providers:
        for model in provider.models:
            own, names = _compile_model(provider, model, rules=rules)
            cards += own
            models.append(names)
        resold_cards, resold_names = _compile_resold(provider, providers, rules=rules)
        cards += resold_cards
        models += resold_names
    sealed = [seal(replace(card, source=source, known_at_us=known_at_us)) for card in cards]
    return Sheet(cards=tuple(sealed), models=tuple(models), folded=rules.folded(), known_at_us=known_at_us)


def _compile_model(
    provider: types.Provider, model: types.ModelInfo, *, rules: NameRules
) -> tuple[list[PriceCard], ModelNames]:
    names = ModelNames(
        provider=provider.id,
        model=model.id,
        aliases=rules.aliases(provider.id, model),
        shapes=rules.shapes(provider.id, model),
        context_window=model.context_window,
    )
    try:
        cards = [card for context in _contexts(model) for card in _cards(provider.id, model, context)]
    except UnknownUnit as unit:
        reason = f"is also charged by {unit.args[0]}, which no meter counts; add [[prices]] for it"
        return [], replace(names, unpriced_because=reason)
    if not cards:
        return [], replace(names, unpriced_because="is listed without a price; add [[prices]] for it")
    if provider.id in DEPLOYMENTS:
        cards = [replace(card, conditions=tuple(sorted(card.conditions + GLOBAL_DEPLOYMENT))) for card in cards]
    return cards, names


def _compile_resold(
    provider: types.Provider, providers: Sequence[types.Provider], *, rules: NameRules
) -> tuple[list[PriceCard], list[ModelNames]]:
    owners = {one.id: one for one in providers}
    cards: list[PriceCard] = []
    models: list[ModelNames] = []
    before = [provider.id]
    for owner_id in provider.fallback_model_providers or ():
        for model in owners[owner_id].models:
            if rules.is_claimed(before, model.id):
                continue
            own, names = _compile_model(owners[owner_id], model, rules=rules)
            cards += [_resold(card, provider.id) for card in own if not card.conditions]
            models.append(
                replace(
                    names,
                    provider=provider.id,
                    aliases=tuple(name for name in names.aliases if not rules.is_claimed(before, name)),
                    shapes=tuple(shape for shape in names.shapes if not rules.is_claimed(before, a_day_of(shape))),
                )
            )
        before.append(owner_id)
    return cards, models


def _resold(card: PriceCard, provider: str) -> PriceCard:
    tiers = tuple(Tier(tier.above_input_tokens, _without_fees(tier.rates)) for tier in card.tiers)
    return replace(card, provider=provider, conditions=GLOBAL_DEPLOYMENT, rates=_without_fees(card.rates), tiers=tiers)


def _without_fees(rates: RateSet) -> RateSet:
    kept = {meter: rate for meter, rate in known_rates(rates).items() if meter in TOKEN_METERS}
    return rate_set(kept | {Meter.REQUESTS: ZERO})


def _contexts(model: types.ModelInfo) -> list[dict[str, str]]:
    """The contexts a model has prices for: none, and each that a variant names and that is not the ordinary one."""
    contexts: list[dict[str, str]] = [{}]
    for variant in model.price_variants or ():
        if variant.when not in contexts and normalise(tuple(variant.when.items())):
            contexts.append(variant.when)
    return contexts


def _cards(provider: str, model: types.ModelInfo, context: dict[str, str]) -> Iterator[PriceCard]:
    """One card for each stretch of time with a price of its own, in this context."""
    for stretch, prices in timeline(model, context):
        amounts = {key: value for key, value in vars(prices).items() if value is not None}
        if amounts or is_documented_free(provider, model.id):
            yield _card(provider, model.id, normalise(tuple(context.items())), stretch, amounts)


def _card(
    provider: str, model: str, conditions: Conditions, stretch: Stretch, amounts: Mapping[str, _Price]
) -> PriceCard:
    rates, tiers = _tiered_rates(provider, amounts)
    for gap in GAPS.get((provider, model), ()):
        for one in (rates, *(higher for _, higher in tiers)):
            one.pop(gap, None)
    return PriceCard(
        id=CardId(""),
        provider=provider,
        model=model,
        rates=rate_set(rates),
        source="",
        tiers=tuple(Tier(above, rate_set(rates_above)) for above, rates_above in tiers),
        conditions=conditions,
        window=stretch.window,
        valid_from_us=stretch.from_us,
        valid_to_us=stretch.to_us,
        minimums=MINIMUMS.get((provider, model), ()),
    )


def _tiered_rates(provider: str, amounts: Mapping[str, _Price]) -> tuple[_Rates, list[tuple[int, _Rates]]]:
    if not amounts:
        return free_rates(TOKEN_METERS | {Meter.REQUESTS}), []
    extra = free_rates(FREE_METERS.get(provider, ()))
    thresholds = {
        tier.start for price in amounts.values() if isinstance(price, types.TieredPrices) for tier in price.tiers
    }
    base = extra | spread({key: _above(price, 0) for key, price in amounts.items()})
    tiers = [
        (start, extra | spread({key: _above(price, start + 1) for key, price in amounts.items()}))
        for start in sorted(thresholds)
    ]
    return base, tiers


def is_documented_free(provider: str, model: str) -> bool:
    """Whether a model that the source lists without prices is one that costs nothing."""
    return model.endswith(FREE_SUFFIX) or (provider, model) in FREE_MODELS


def _above(price: _Price, input_tokens: int) -> Decimal:
    """The price for a request with this many input tokens; the highest threshold that is exceeded decides."""
    if isinstance(price, Decimal):
        return price
    chosen = price.base
    for tier in price.tiers:
        if input_tokens > tier.start:
            chosen = tier.price
    return chosen


def _released_us(version: str) -> int:
    released = datetime.fromisoformat(RELEASED.get(version, UNKNOWN_RELEASE))
    return int(released.timestamp()) * _US_PER_SECOND
