"""Price cards and the one cost function.

A card is a dated fact: what one provider charged for one model under stated conditions, from one instant to another.
It is never edited; a change is a new card. Prices are rates in picodollars per N units, so that nothing is rounded when
a card is built. A rate of ``None`` is *unknown* (usage on it makes the row unpriced); a rate of zero is *free*.

Context tiers are cliffs: once a request's input tokens exceed a tier's threshold, the whole request is charged at that
tier's rates (OpenAI, Anthropic and Google price long contexts this way; see docs/pricing.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NewType

from msgspec import Struct

from bursar.money import Pico, round_half_even
from bursar.usage import CACHE_WRITE_METERS, INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter, Usage

CardId = NewType("CardId", str)
"""Names one card for ever: ``provider/model`` and a hash of the card's content."""

METER_COUNT: Final = len(Meter)

Quantities = tuple[tuple[int, int], ...]
"""(meter, quantity) pairs."""


class Rate(Struct, frozen=True, array_like=True):
    """``pico`` picodollars for every ``per`` units, in lowest terms; ``per == 1`` whenever the unit price is whole."""

    pico: int
    per: int = 1


class RateSet(Struct, frozen=True, array_like=True):
    """The rates that apply together, by meter, and the dearest of each direction (for upper bounds)."""

    by_meter: tuple[Rate | None, ...]
    """Indexed by Meter; ``None`` where no price is known."""
    dearest_input: Rate | None
    """The highest rate any input token can cost, cache writes included; ``None`` when no input token has a price."""
    dearest_output: Rate | None


class Tier(Struct, frozen=True, array_like=True):
    """Rates for requests with more than ``above_input_tokens`` input tokens (cached ones count)."""

    above_input_tokens: int
    rates: RateSet


class DailyWindow(Struct, frozen=True, array_like=True):
    """A daily UTC interval in minutes since midnight, end excluded; it may wrap past midnight."""

    start_minute: int
    end_minute: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the UTC day lies in the window."""
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


class PriceCard(Struct, frozen=True):
    """What one model cost at one provider, under which conditions, when that held and since when we know it."""

    id: CardId
    provider: str
    model: str
    rates: RateSet
    source: str
    """Where the figures come from: a data package and version, a bundle digest, or an override's place."""
    tiers: tuple[Tier, ...] = ()
    """Ascending by threshold."""
    conditions: tuple[tuple[str, str], ...] = ()
    """Sorted (name, value) pairs that must hold: service_tier, processing, speed, region, credential …"""
    window: DailyWindow | None = None
    valid_from_us: int | None = None
    """First instant of validity, Unix microseconds; ``None`` = always before."""
    valid_to_us: int | None = None
    """First instant after validity; ``None`` = open."""
    known_at_us: int = 0
    """When this price entered our catalog."""
    minimums: tuple[tuple[int, int], ...] = ()
    """(meter, least billed quantity) pairs, such as Groq's ten seconds of audio."""
    list_card: CardId | None = None
    """For a negotiated price: the list card it was derived from."""


class CostLine(Struct, frozen=True, array_like=True):
    """One meter's part of a cost: ``quantity`` at ``rate`` came to ``pico``."""

    meter: int
    quantity: int
    rate: Rate
    pico: int


class Cost(Struct, frozen=True, array_like=True):
    """The price of a usage on one card. ``total`` is ``None`` when any used meter has no price."""

    total: Pico | None
    lines: tuple[CostLine, ...]
    missing: tuple[int, ...]
    """Meters that were used and have no rate on the card."""
    card: CardId


def cost(usage: Usage, card: PriceCard) -> Cost:
    """Price a usage: the only place where quantities and rates meet.

    ``sum(line.pico for line in lines) == total`` whenever every used meter has a price. Inside one tier the function is
    additive for every rate with ``per == 1``; other rates round half-even once per line.
    """
    by_meter = rates_for(card, usage.input_tokens).by_meter if card.tiers else card.rates.by_meter
    counts = _raise_to_minimums(usage.counts, card.minimums) if card.minimums else usage.counts
    total = 0
    lines = []
    missing = []
    for meter, quantity in counts:
        rate = by_meter[meter]
        if rate is None:
            missing.append(meter)
            continue
        amount = quantity * rate.pico
        if rate.per != 1:
            amount = round_half_even(amount, rate.per)
        total += amount
        lines.append(CostLine(meter, quantity, rate, amount))
    return Cost(None if missing else Pico(total), tuple(lines), tuple(missing), card.id)


def rates_for(card: PriceCard, input_tokens: int) -> RateSet:
    """The rates of the context tier that a request with this many input tokens falls into."""
    chosen = card.rates
    for tier in card.tiers:
        if input_tokens > tier.above_input_tokens:
            chosen = tier.rates
    return chosen


def upper_bound(card: PriceCard, *, input_tokens: int, output_tokens: int, others: Quantities = ()) -> Pico | None:
    """The most a request may cost that uses at most these quantities, plus one request fee.

    Every token counts at the dearest rate of its direction. A request with fewer input tokens may fall into a lower
    context tier, and nothing says that a lower tier is the cheaper one, so each tier within reach is tried with as many
    tokens as it can hold. ``others`` are the most of each meter that is not a token. ``None`` when some tier within
    reach does not price a direction or a meter that the request may use.

    Rates are taken up to a whole picodollar per token: a cost rounds each of its lines, so the exact product could fall
    short of it by half a picodollar a line.
    """
    if not card.tiers:
        return _most(card, card.rates, input_tokens, output_tokens, others)
    dearest = 0
    for rates, tokens in _within_reach(card, input_tokens):
        most = _most(card, rates, tokens, output_tokens, others)
        if most is None:
            return None
        dearest = max(dearest, most)
    return Pico(dearest)


class BoundLine(Struct, frozen=True):
    """One part of an upper bound."""

    what: str
    """``input tokens``, ``output tokens``, or a meter's name."""
    quantity: int
    rate: Rate
    pico: int


def bound_lines(
    card: PriceCard, *, input_tokens: int, output_tokens: int, others: Quantities = ()
) -> tuple[BoundLine, ...]:
    """What `upper_bound` adds up, for reading: the parts of the dearest tier within reach, as far as they have prices.

    Their sum is the bound, where there is one.
    """
    candidates = [
        _lines(card, rates, tokens, output_tokens, others) for rates, tokens in _within_reach(card, input_tokens)
    ]
    return max(candidates, key=lambda lines: sum(line.pico for line in lines))


def affordable_output(
    cards: Iterable[PriceCard], *, input_tokens: int, budget: int, at_most: int, others: Quantities = ()
) -> int | None:
    """The most output tokens, up to ``at_most``, whose upper bound on every one of the cards is within the budget.

    ``None`` when the budget (picodollars) does not even hold the rest of the request, or some card cannot price it.
    """
    affordable = at_most
    for card in cards:
        for rates, tokens in _within_reach(card, input_tokens):
            rest = _most(card, rates, tokens, 0, others)
            if rest is None or rest > budget or (rates.dearest_output is None and affordable):
                return None
            price = _whole(rates.dearest_output) if rates.dearest_output is not None else 0
            affordable = min(affordable, (budget - rest) // price) if price else affordable
    return affordable


def _most(card: PriceCard, rates: RateSet, input_tokens: int, output_tokens: int, others: Quantities) -> Pico | None:
    total = 0
    if input_tokens:
        if rates.dearest_input is None:
            return None
        total += input_tokens * _whole(rates.dearest_input)
    if output_tokens:
        if rates.dearest_output is None:
            return None
        total += output_tokens * _whole(rates.dearest_output)
    for meter, quantity in _raise_to_minimums(others, card.minimums) if others else ():
        rate = rates.by_meter[meter]
        if rate is None:
            return None
        total += _ceiling(quantity * rate.pico, rate.per)
    fee = rates.by_meter[Meter.REQUESTS]
    if fee is not None and fee.pico:
        total += _ceiling(fee.pico, fee.per)
    return Pico(total)


def _lines(
    card: PriceCard, rates: RateSet, input_tokens: int, output_tokens: int, others: Quantities
) -> tuple[BoundLine, ...]:
    """The parts of `_most`."""
    tokens = (
        ("input tokens", input_tokens, rates.dearest_input),
        ("output tokens", output_tokens, rates.dearest_output),
    )
    lines = [
        BoundLine(what, quantity, rate, quantity * _whole(rate))
        for what, quantity, rate in tokens
        if quantity and rate is not None
    ]
    fees = [*_raise_to_minimums(others, card.minimums), (int(Meter.REQUESTS), 1)]
    for meter, quantity in fees:
        rate = rates.by_meter[meter]
        if rate is not None and rate.pico:
            lines.append(BoundLine(Meter(meter).label, quantity, rate, _ceiling(quantity * rate.pico, rate.per)))
    return tuple(lines)


def _within_reach(card: PriceCard, input_tokens: int) -> Iterator[tuple[RateSet, int]]:
    """The tiers that a request of at most so many input tokens can fall into, each with the most it can hold."""
    rates = card.rates
    for tier in card.tiers:
        if input_tokens <= tier.above_input_tokens:
            break
        yield rates, tier.above_input_tokens
        rates = tier.rates
    yield rates, input_tokens


def _whole(rate: Rate) -> int:
    return rate.pico if rate.per == 1 else _ceiling(rate.pico, rate.per)


def _ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def rate_set(rates: Mapping[Meter, Rate]) -> RateSet:
    """Complete known rates into a RateSet."""
    return RateSet(
        by_meter=tuple(rates.get(meter) for meter in Meter),
        dearest_input=_dearest(rates, INPUT_TOKEN_METERS | CACHE_WRITE_METERS),
        dearest_output=_dearest(rates, OUTPUT_TOKEN_METERS),
    )


def _dearest(rates: Mapping[Meter, Rate], meters: frozenset[int]) -> Rate | None:
    known = [rate for meter, rate in rates.items() if meter in meters]
    dearest: Rate | None = None
    for rate in known:
        if dearest is None or rate.pico * dearest.per > dearest.pico * rate.per:
            dearest = rate
    return dearest


def _raise_to_minimums(counts: Quantities, minimums: Quantities) -> Quantities:
    least = dict(minimums)
    return tuple((meter, max(quantity, least.get(meter, 0))) for meter, quantity in counts)
