"""The most an attempt can cost, from its request and the catalog alone. Pure, and on the path of every call.

The bound must be true, since hard budgets reserve it: where nothing bounds what the provider may charge the answer is
`Unbounded` and says why, never a figure that merely looks safe. It is computed as follows (docs/pricing.md, "What a
request may cost at most"):

- *Input* is at most the bytes of the body, since no token of text is smaller than a byte, and what the provider adds.
  Images count by their model's largest image instead of their bytes. Input that the body does not hold is bounded by
  the model's context window, once for every time that tools on the provider's side may make the model run.
- *Output* is the cap times the answers asked for, or what the model can put out at all.
- *Fees* count as often as the request allows.
- The *price* is the dearest of all cards the answer may turn out to be charged by.
"""

from collections import Counter
from typing import Final, NamedTuple

from msgspec import Struct

from bursar.catalog.image_limits import most_drawn_tokens, most_image_tokens
from bursar.catalog.snapshot import Catalog, Match
from bursar.dialects.base import Request
from bursar.dialects.reach import Reach
from bursar.gateway.targets import Target
from bursar.money import Pico
from bursar.price import PriceCard, Quantities, affordable_output, upper_bound
from bursar.usage import Meter

UNSTATED_OUTPUT_TOKENS: Final = 1_000_000
"""Bound on an answer when neither the caller caps it nor the catalog knows the model's limits: the context windows of
current models end there, and published output limits at an eighth of it (read 2026-11)."""


class Unbounded(Struct, frozen=True):
    """Nothing bounds what the request may cost."""

    reason: str


class Exposure(Struct, frozen=True):
    """The most that a request can use, and what that costs."""

    pico: Pico
    cards: tuple[PriceCard, ...]
    """Every card it may be charged by."""
    input_tokens: int
    output_tokens: int
    """Of all answers and rounds together."""
    others: Quantities = ()
    capped: int = 1
    """How many times the cap of one answer goes into the output."""
    beside_cap: int = 0
    """Output tokens that no cap limits."""
    notes: tuple[str, ...] = ()
    """Decision sentences: what the figure rests on besides the body and the cap."""

    @property
    def tokens(self) -> int:
        """The most tokens it can use."""
        return self.input_tokens + self.output_tokens

    def affordable_cap(self, budget: int) -> int | None:
        """The largest output cap for one answer, at most the present one, with which the bound is within ``budget``
        picodollars; ``None`` when no cap is small enough.
        """
        tokens = affordable_output(
            self.cards,
            input_tokens=self.input_tokens,
            budget=budget,
            at_most=self.output_tokens,
            others=self.others,
        )
        if tokens is None or tokens < self.beside_cap:
            return None
        return (tokens - self.beside_cap) // self.capped


def exposure_of(
    request: Request, found: Match, *, target: Target, catalog: Catalog, body_bytes: int, at_us: int
) -> Exposure | Unbounded:
    """The most a priced request may cost; ``body_bytes`` is the length of the body as the caller sent it."""
    reach, rates = request.reach, found.card.rates
    model = _Model(request.model or found.card.model, found.card, catalog, target.price_list)
    if reach.unbounded is not None:
        return Unbounded(reach.unbounded)
    if rates.by_meter[Meter.GPU_MS] is not None:
        return Unbounded(f"{found.card.id} is paid by the time an answer takes, and nothing limits how long that is")
    others = _others(reach, found.card) if reach.fees or reach.instead else ()
    if isinstance(others, Unbounded):
        return others
    notes: tuple[str, ...] = ()
    input_tokens = body_bytes + reach.added_input - reach.media_bytes
    if rates.dearest_input is None and others:
        input_tokens = 0
    elif reach.open_input is not None or reach.images:
        sent = _input(reach, input_tokens, model)
        if isinstance(sent, Unbounded):
            return sent
        input_tokens, notes = sent
    cards = catalog.within_reach(
        target.price_list,
        model.name,
        conditions=target.conditions,
        tier=request.service_tier,
        asks=reach.asks,
        at_us=at_us,
        credential=target.name,
    ) or (found.card,)
    output_tokens, beside_cap = _output(request, model) if rates.dearest_output is not None else (0, 0)
    dearest = 0
    for card in cards:
        bound = upper_bound(card, input_tokens=input_tokens, output_tokens=output_tokens, others=others)
        if bound is None:
            return Unbounded(f"{card.id} has no price for everything that the request may use")
        dearest = max(dearest, bound)
    runs = reach.answers * reach.rounds
    return Exposure(Pico(dearest), cards, input_tokens, output_tokens, others, runs, beside_cap, notes)


def unpriced_tokens(request: Request, *, body_bytes: int) -> int | None:
    """The most tokens of a request whose model the catalog does not know; ``None`` when nothing says how many."""
    reach = request.reach
    if reach.unbounded is not None or reach.open_input is not None or reach.images or reach.is_cap_partial:
        return None
    answers = UNSTATED_OUTPUT_TOKENS * reach.answers if request.max_output_tokens is None else request.max_output_tokens
    return (body_bytes + reach.added_input + answers) * reach.rounds + reach.added_output


class _Model(NamedTuple):
    """The model and what the catalog knows of its size."""

    name: str
    card: PriceCard
    catalog: Catalog
    price_list: str

    @property
    def window(self) -> int | None:
        """The context window; ``None`` when it is not known, or when the card has prices beyond it."""
        window = self.catalog.context_window(self.price_list, self.name)
        tiers = self.card.tiers
        return None if window is not None and tiers and tiers[-1].above_input_tokens >= window else window

    @property
    def output(self) -> int:
        """The most tokens one answer can have, whatever its request says."""
        stated = (
            most_drawn_tokens(self.card.model)
            or self.catalog.max_output_tokens(self.price_list, self.name)
            or self.window
        )
        return UNSTATED_OUTPUT_TOKENS if stated is None else stated


def _input(reach: Reach, text_tokens: int, model: _Model) -> tuple[int, tuple[str, ...]] | Unbounded:
    """The most input tokens of a request with images or with input from elsewhere, and what that rests on."""
    opening, pictures = reach.open_input, 0
    if reach.images:
        each = most_image_tokens(model.card.model)
        if each is None:
            opening = opening or "an image"
        else:
            pictures = each * reach.images
    if opening is None:
        return text_tokens + pictures, ()
    window = model.window
    if window is None:
        return Unbounded(
            f"{opening} may bring any amount of input, and the context window of {model.card.model} is not known"
        )
    times = "" if reach.rounds == 1 else f", {reach.rounds} times over"
    note = f"{opening} may bring input that the body does not show: bounded by the context window of {window} tokens"
    return (window + pictures) * reach.rounds, (note + times,)


def _output(request: Request, model: _Model) -> tuple[int, int]:
    """The most output tokens of all answers, and how many of them no cap limits."""
    reach = request.reach
    runs = reach.answers * reach.rounds
    if request.max_output_tokens is None:
        return model.output * runs + reach.added_output, reach.added_output
    beside = reach.added_output + (model.output * runs if reach.is_cap_partial else 0)
    return request.max_output_tokens * reach.rounds + beside, beside


def _others(reach: Reach, card: PriceCard) -> Quantities | Unbounded:
    """The most of every meter beside the tokens."""
    rates = card.rates.by_meter
    others = Counter[int]()
    for meter, most in reach.fees:
        rate = rates[meter]
        if rate is None:
            return Unbounded(f"{card.id} has no price for {Meter(meter).label}, which the request may use")
        if most is None and rate.pico:
            return Unbounded(f"nothing limits how many {Meter(meter).label} the request may use; set max_uses")
        others[meter] += most or 0
    for meter, most in reach.instead:
        rate = rates[meter]
        if rate is None or not rate.pico:
            continue
        if most is None:
            return Unbounded(f"the request does not say how many {Meter(meter).label} it will be charged for")
        others[meter] += most
    return tuple(sorted(others.items()))
