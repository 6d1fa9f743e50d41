"""Price cards and the one cost function."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.price import (
    CardId,
    DailyWindow,
    PriceCard,
    Rate,
    Tier,
    affordable_output,
    bound_lines,
    cost,
    rate_set,
    rates_for,
    upper_bound,
)
from bursar.usage import INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter, usage_of

whole_rates = st.builds(Rate, st.integers(0, 10**9), st.just(1))
any_rates = st.builds(Rate, st.integers(0, 10**15), st.integers(1, 3_600_000))
all_meters = st.sampled_from(list(Meter))


def card_of(rates, tiers=(), **more):
    return PriceCard(
        id=CardId("test/model#0"),
        provider="test",
        model="model",
        rates=rate_set(rates),
        source="test",
        tiers=tuple(Tier(above, rate_set(tier)) for above, tier in tiers),
        **more,
    )


def cards(rates):
    return st.dictionaries(all_meters, rates, max_size=len(Meter)).map(card_of)


usages = st.dictionaries(all_meters, st.integers(0, 10**7), max_size=8).map(usage_of)


@given(usages, usages, cards(whole_rates))
def test_cost_is_additive(a, b, card):
    """Inside one tier, the cost of two usages is the cost of their sum."""
    whole, part_a, part_b = cost(a + b, card), cost(a, card), cost(b, card)

    if whole.total is not None:
        assert part_a.total + part_b.total == whole.total


@given(usages, cards(any_rates))
def test_lines_sum_to_total(usage, card):
    """The total is the sum of its lines, and every meter is either a line or missing."""
    priced = cost(usage, card)

    assert {meter for meter, _ in usage.counts} == {line.meter for line in priced.lines} | set(priced.missing)
    if priced.missing:
        assert priced.total is None
    else:
        assert sum(line.pico for line in priced.lines) == priced.total


@given(usages, cards(any_rates))
def test_lines_round_half_even(usage, card):
    """Each line is the exact product of quantity and rate, rounded once."""
    for line in cost(usage, card).lines:
        assert round(Fraction(line.quantity * line.rate.pico, line.rate.per)) == line.pico


def test_unknown_is_not_free():
    """A missing rate leaves the total unknown; a zero rate makes it zero."""
    usage = usage_of({Meter.INPUT_TEXT: 10})

    assert cost(usage, card_of({})).total is None
    assert cost(usage, card_of({Meter.INPUT_TEXT: Rate(0)})).total == 0


@pytest.mark.parametrize(("tokens", "pico"), [(272_000, 272_000 * 5), (272_001, 272_001 * 10)])
def test_tier_is_a_cliff(tokens, pico):
    """One token past the threshold charges the whole request at the tier's rate; cached tokens count towards it."""
    rates = {Meter.INPUT_TEXT: Rate(5), Meter.CACHE_READ: Rate(5)}
    dear = {Meter.INPUT_TEXT: Rate(10), Meter.CACHE_READ: Rate(10)}
    card = card_of(rates, [(272_000, dear)])

    priced = cost(usage_of({Meter.INPUT_TEXT: tokens - 1000, Meter.CACHE_READ: 1000}), card)

    assert pico == priced.total


def test_tiers_take_the_highest_reached():
    """With several tiers the last one exceeded applies."""
    card = card_of({Meter.INPUT_TEXT: Rate(1)}, [(10, {Meter.INPUT_TEXT: Rate(2)}), (20, {Meter.INPUT_TEXT: Rate(3)})])

    assert [rates_for(card, n).by_meter[Meter.INPUT_TEXT].pico for n in (0, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


def test_minimum_quantity():
    """A billing minimum raises what was used to what is billed."""
    card = card_of({Meter.INPUT_AUDIO_MS: Rate(1)}, minimums=((int(Meter.INPUT_AUDIO_MS), 10_000),))

    assert cost(usage_of({Meter.INPUT_AUDIO_MS: 300}), card).total == 10_000
    assert cost(usage_of({Meter.INPUT_AUDIO_MS: 30_000}), card).total == 30_000


FEES = (Meter.SEARCHES, Meter.CODE_EXECUTIONS, Meter.IMAGES, Meter.INPUT_AUDIO_MS)
quantities = st.integers(0, 10**6)
token_usages = st.dictionaries(
    st.sampled_from(sorted(Meter(m) for m in INPUT_TOKEN_METERS | OUTPUT_TOKEN_METERS)), quantities
)
fee_usages = st.dictionaries(st.sampled_from(FEES), quantities)
full_rates = st.lists(any_rates, min_size=len(Meter), max_size=len(Meter)).map(
    lambda rates: dict(zip(Meter, rates, strict=True))
)


@st.composite
def tiered_cards(draw, rates=full_rates):
    """Cards with up to three context tiers, none of which need be dearer than the one below."""
    thresholds = sorted(draw(st.sets(st.integers(0, 2_000_000), max_size=3)))
    minimums = draw(st.sampled_from([(), ((int(Meter.INPUT_AUDIO_MS), 10_000),)]))
    return card_of(draw(rates), [(above, draw(rates)) for above in thresholds], minimums=minimums)


@given(token_usages, fee_usages, tiered_cards(), st.integers(0, 10**6), st.integers(0, 1000), st.integers(0, 9))
def test_upper_bound_holds(tokens, fees, card, more_input, more_output, more_fees):
    """No usage within the stated quantities costs more than their bound, request fee included."""
    usage = usage_of(tokens | fees | {Meter.REQUESTS: 1})
    bound = upper_bound(
        card,
        input_tokens=usage.input_tokens + more_input,
        output_tokens=usage.output_tokens + more_output,
        others=tuple((int(meter), quantity + more_fees) for meter, quantity in fees.items()),
    )

    assert cost(usage, card).total <= bound


@given(
    st.lists(tiered_cards(), min_size=1, max_size=3), st.integers(0, 10**6), st.integers(0, 10**14), st.integers(0, 9)
)
def test_affordable_output_is_the_largest(cards, input_tokens, budget, searches):
    """The affordable output keeps to the budget on every card, and one token more would not."""
    at_most = 10**6
    others = ((int(Meter.SEARCHES), searches),)
    found = affordable_output(cards, input_tokens=input_tokens, budget=budget, at_most=at_most, others=others)

    def most(output_tokens):
        return max(
            upper_bound(card, input_tokens=input_tokens, output_tokens=output_tokens, others=others) for card in cards
        )

    if found is None:
        assert most(0) > budget
    else:
        assert most(found) <= budget
        assert found == at_most or most(found + 1) > budget


@pytest.mark.parametrize("output", [Rate(0), Rate(3)])
def test_affordable_output_after_the_input(output):
    """Where the input alone exceeds the budget no output is affordable, not even a free one."""
    card = card_of({Meter.INPUT_TEXT: Rate(1), Meter.OUTPUT_TEXT: output})

    assert affordable_output([card], input_tokens=11, budget=10, at_most=5) is None
    assert affordable_output([card], input_tokens=10, budget=10, at_most=5) == (0 if output.pico else 5)


def test_affordable_output_needs_prices():
    """Output without a price is not affordable at any budget."""
    card = card_of({Meter.INPUT_TEXT: Rate(1)})

    assert affordable_output([card], input_tokens=1, budget=10**9, at_most=5) is None


@given(tiered_cards(), st.integers(0, 10**6), st.integers(0, 10**6), fee_usages)
def test_bound_lines_add_up(card, input_tokens, output_tokens, fees):
    """The parts of a bound add up to it, wherever there is one, and no part is more than it."""
    asked = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "others": tuple((int(meter), quantity) for meter, quantity in fees.items()),
    }
    bound = upper_bound(card, **asked)
    lines = bound_lines(card, **asked)

    if bound is not None:
        assert bound == sum(line.pico for line in lines)
    assert all(line.pico >= 0 for line in lines)


def test_upper_bound_of_a_cheaper_tier():
    """Where the tier below is dearer, a request that just stays in it is the dearest within reach."""
    card = card_of({Meter.INPUT_TEXT: Rate(9)}, [(1000, {Meter.INPUT_TEXT: Rate(1)})])

    assert [upper_bound(card, input_tokens=n, output_tokens=0) for n in (1000, 1001, 10_000)] == [9000, 9000, 10_000]


def test_upper_bound_needs_prices():
    """What a card has no price for cannot be bounded, in any tier within reach."""
    card = card_of({Meter.INPUT_TEXT: Rate(1), Meter.OUTPUT_TEXT: Rate(1)}, [(10, {Meter.INPUT_TEXT: Rate(1)})])

    assert upper_bound(card, input_tokens=10, output_tokens=1) == 11
    assert upper_bound(card, input_tokens=11, output_tokens=1) is None
    assert upper_bound(card, input_tokens=1, output_tokens=0, others=((int(Meter.SEARCHES), 1),)) is None


@pytest.mark.parametrize(
    ("window", "minute", "holds"),
    [((30, 990), 30, True), ((30, 990), 990, False), ((1380, 60), 0, True), ((1380, 60), 60, False)],
)
def test_daily_window(window, minute, holds):
    """A window includes its start, excludes its end and may wrap past midnight."""
    assert holds is DailyWindow(*window).holds(minute)
