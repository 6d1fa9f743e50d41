"""The configuration's own prices: contract discounts, prices of its own, GPU time and explicit zeros, as cards.

They win over list prices. Among themselves the more specific entry wins: one tied to a configured provider over one for
everybody, one for a model over one for `*`, one for stated conditions over one without. Two entries of the same rank
that hold at the same time contradict each other and are refused.

Entries that cannot be used fail closed: the configuration does not load, and the message names the entry.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bursar.catalog.conditions import ANY_CONDITIONS, DEPLOYMENTS, Conditions, normalise
from bursar.catalog.lists import price_list_of
from bursar.catalog.offer import CREDENTIAL
from bursar.catalog.rates import FREE_METERS, HOUR_MS, UNITS, ZERO, exact_rate, free_rates, quoted_per, scaled
from bursar.catalog.sheet import EVERY_MODEL, Sheet, seal
from bursar.config import Config, Price
from bursar.errors import ConfigError
from bursar.price import CardId, PriceCard, Rate, Tier, rate_set
from bursar.usage import Meter

SOURCE: Final = "configuration"
"""First word of the source of every card made here."""

_PERCENT: Final = 100
_US_PER_SECOND: Final = 1_000_000
_FOREVER: Final = 1 << 63
_DEPLOYMENT: Final = "deployment"

_COVERING: Final = {
    Meter.INPUT_TEXT: UNITS["input_mtok"].meters,
    Meter.CACHE_READ: UNITS["cache_read_mtok"].meters,
    Meter.CACHE_WRITE_5M: UNITS["cache_write_mtok"].meters,
    Meter.OUTPUT_TEXT: UNITS["output_mtok"].meters,
}
"""Meters whose stated price also covers more specific ones, by the rules of `rates`."""

_LABELS: Final = {meter.label: meter for meter in Meter}


class Entry(Struct, frozen=True):
    """One `[[prices]]` entry, checked."""

    number: int
    price: Price
    price_list: str
    credential: str | None
    from_us: int | None
    to_us: int | None
    conditions: Conditions

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"[[prices]] entry {self.number} ({self.price.provider}/{self.price.model})"

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """Sorts the more specific entry later."""
        return self.credential is not None, self.price.model != EVERY_MODEL, bool(self.conditions), self.number


def override_cards(config: Config, listed: Sheet, *, known_at_us: int) -> tuple[PriceCard, ...]:
    """The cards of the `[[prices]]` entries in order of precedence; raises ConfigError for one that cannot be used."""
    entries = [_entry(number, price, config, listed) for number, price in enumerate(config.prices, start=1)]
    _check_overlaps(entries)
    ranked = sorted(entries, key=lambda one: one.rank)
    cards = [card for entry in ranked for card in _cards(entry, listed)]
    return tuple(seal(replace(card, known_at_us=known_at_us)) for card in cards)


def _cards(entry: Entry, listed: Sheet) -> Iterator[PriceCard]:
    price = entry.price
    kinds = [price.discount_percent is not None, bool(price.usd), price.gpu_hour_usd is not None, price.free]
    if sum(kinds) != 1:
        raise ConfigError(f"{entry.title} must set exactly one of discount_percent, usd, gpu_hour_usd and free")
    if price.discount_percent is not None:
        return _discounted(entry, listed, Decimal(price.discount_percent))
    if price.gpu_hour_usd is not None:
        return _for_any(entry, _gpu_rates(price, Decimal(price.gpu_hour_usd)), "USD per GPU-hour")
    if price.free:
        return _for_any(entry, free_rates(Meter), "free")
    return _stated(entry, listed)


def _discounted(entry: Entry, listed: Sheet, percent: Decimal) -> Iterator[PriceCard]:
    """List cards with every rate and tier reduced, cut to the entry's period."""
    period = (entry.from_us, entry.to_us)
    bases = [
        card
        for card in listed.cards
        if _covers(entry, card) and _overlap(period, (card.valid_from_us, card.valid_to_us))
    ]
    if not bases:
        raise ConfigError(f"{entry.title} discounts a price that no list holds{_hint(entry, listed)}")
    factor = (_PERCENT - Fraction(percent)) / _PERCENT
    for base in bases:
        yield replace(
            base,
            rates=scaled(base.rates, factor),
            tiers=tuple(Tier(tier.above_input_tokens, scaled(tier.rates, factor)) for tier in base.tiers),
            conditions=_tied(base.conditions, entry.credential),
            valid_from_us=_later(entry.from_us, base.valid_from_us),
            valid_to_us=_earlier(entry.to_us, base.valid_to_us),
            source=f"{SOURCE} entry {entry.number}: {percent}% off {base.source}",
            list_card=base.id,
        )


def _stated(entry: Entry, listed: Sheet) -> Iterator[PriceCard]:
    rates = _stated_rates(entry)
    for conditions in _stated_conditions(entry):
        yield replace(
            _blank(entry, conditions, rates, "prices of its own"), list_card=_list_card(entry, conditions, listed)
        )


def _stated_rates(entry: Entry) -> dict[Meter, Rate]:
    unknown = entry.price.usd.keys() - _LABELS.keys()
    if unknown:
        name = min(unknown)
        near = difflib.get_close_matches(name, _LABELS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"meters are {', '.join(_LABELS)}"
        raise ConfigError(f"{entry.title} prices an unknown meter '{name}'; {hint}")
    rates = {Meter.REQUESTS: ZERO} | free_rates(FREE_METERS.get(entry.price_list, ()))
    stated = {_LABELS[label]: Decimal(text) for label, text in entry.price.usd.items()}
    for meter in sorted(stated, key=lambda one: one not in _COVERING):
        rate = exact_rate(stated[meter], quoted_per(meter))
        rates.update(dict.fromkeys(_COVERING.get(meter, (meter,)), rate))
    return rates


def _stated_conditions(entry: Entry) -> list[Conditions]:
    """The conditions a stated price holds under: where the kind of deployment matters and none is named, every kind."""
    kinds = DEPLOYMENTS.get(entry.price_list, ())
    if not kinds or any(name == _DEPLOYMENT for name, _ in entry.conditions):
        return [entry.conditions]
    named = [tuple(sorted((*entry.conditions, (_DEPLOYMENT, kind)))) for kind in kinds]
    return [entry.conditions, *named]


def _for_any(entry: Entry, rates: dict[Meter, Rate], what: str) -> Iterator[PriceCard]:
    yield _blank(entry, entry.conditions or ANY_CONDITIONS, rates, what)


def _gpu_rates(price: Price, usd: Decimal) -> dict[Meter, Rate]:
    """One request's share of the GPUs' time; tokens cost nothing besides."""
    share = Fraction(usd) * price.gpus / price.concurrency
    return free_rates(Meter) | {Meter.GPU_MS: exact_rate(share, HOUR_MS)}


def _blank(entry: Entry, conditions: Conditions, rates: dict[Meter, Rate], what: str) -> PriceCard:
    return PriceCard(
        id=CardId(""),
        provider=entry.price_list,
        model=entry.price.model,
        rates=rate_set(rates),
        source=f"{SOURCE} entry {entry.number}: {what}",
        conditions=_tied(conditions, entry.credential),
        valid_from_us=entry.from_us,
        valid_to_us=entry.to_us,
    )


def _list_card(entry: Entry, conditions: Conditions, listed: Sheet) -> CardId | None:
    """The list price that a stated price replaces, where there is exactly one for the whole period."""
    replaced = [
        card.id
        for card in listed.cards
        if (card.provider, card.model, card.conditions) == (entry.price_list, entry.price.model, conditions)
        and _overlap((entry.from_us, entry.to_us), (card.valid_from_us, card.valid_to_us))
    ]
    return replaced[0] if len(replaced) == 1 else None


def _covers(entry: Entry, card: PriceCard) -> bool:
    return (
        card.provider == entry.price_list
        and entry.price.model in (card.model, EVERY_MODEL)
        and set(entry.conditions) <= set(card.conditions)
    )


def _tied(conditions: Conditions, credential: str | None) -> Conditions:
    return conditions if credential is None else tuple(sorted((*conditions, (CREDENTIAL, credential))))


def _entry(number: int, price: Price, config: Config, listed: Sheet) -> Entry:
    configured = {one.name: price_list_of(one) for one in config.providers}
    lists = {names.provider for names in listed.models} | {card.provider for card in listed.cards}
    title = f"[[prices]] entry {number} ({price.provider}/{price.model})"
    price_list, credential = price.provider, price.credential
    if price_list not in lists and price_list in configured:
        if credential not in (None, price_list):
            raise ConfigError(f"{title}: credential '{credential}' is another configured provider; drop one of the two")
        price_list, credential = configured[price_list], price_list
    elif price_list not in lists and price_list not in configured.values():
        raise ConfigError(f"{title}: no price list and no configured provider has that name{_near(price_list, lists)}")
    if credential is not None and credential not in configured:
        raise ConfigError(f"{title}: no configured provider is named '{credential}'{_near(credential, configured)}")
    return Entry(
        number=number,
        price=price,
        price_list=price_list,
        credential=credential,
        from_us=_instant_us(price.valid_from, f"{title}: valid_from"),
        to_us=_instant_us(price.valid_to, f"{title}: valid_to"),
        conditions=normalise(tuple(price.conditions.items())),
    )


def _check_overlaps(entries: Sequence[Entry]) -> None:
    for one, other in combinations(entries, 2):
        same = (one.price_list, one.price.model, one.credential, one.conditions) == (
            other.price_list,
            other.price.model,
            other.credential,
            other.conditions,
        )
        if same and _overlap((one.from_us, one.to_us), (other.from_us, other.to_us)):
            raise ConfigError(
                f"{one.title} and entry {other.number} hold at the same time; end one with valid_to before the other"
            )


_Period = tuple[int | None, int | None]


def _overlap(one: _Period, other: _Period) -> bool:
    begin, end = _later(one[0], other[0]), _earlier(one[1], other[1])
    return begin is None or end is None or begin < end


def _later(one: int | None, other: int | None) -> int | None:
    return max(one, other) if one is not None and other is not None else one if other is None else other


def _earlier(one: int | None, other: int | None) -> int | None:
    return min(one, other) if one is not None and other is not None else one if other is None else other


def _instant_us(text: str | None, what: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{what} '{text}' is no date; write it like 2026-11-01 or 2026-11-01T08:00:00Z") from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * _US_PER_SECOND


def _hint(entry: Entry, listed: Sheet) -> str:
    mine = [names for names in listed.models if names.provider == entry.price_list]
    for names in mine:
        if entry.price.model in names.aliases:
            return f"; it is another name of {names.model}, use that"
    return _near(entry.price.model, [names.model for names in mine])


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else "; see `bursar prices list`"
