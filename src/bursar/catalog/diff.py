"""What changed between two price sheets: cards and rates added, removed and changed."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from bursar.catalog.conditions import describe
from bursar.catalog.rates import known_rates, quoted_usd
from bursar.catalog.sheet import Sheet
from bursar.price import DailyWindow, PriceCard, Rate
from bursar.usage import Meter

Change = Literal["added", "removed", "changed"]

_Key = tuple[str, str, tuple[tuple[str, str], ...], int | None, DailyWindow | None]


class Difference(Struct, frozen=True):
    """One line of a comparison of two sheets."""

    change: Change
    provider: str
    model: str
    conditions: str
    valid_from_us: int | None
    what: str
    """A meter, with its context tier where there is one; or ``valid_to_us``."""
    old: str | None
    """USD as quoted, or an instant; ``None`` where there was none."""
    new: str | None


def diff_sheets(old: Sheet, new: Sheet) -> tuple[Difference, ...]:
    """Every difference in what the two sheets charge, by provider, model and conditions.

    Where a sheet holds several cards for one model, conditions and beginning, its last one counts, as it does when a
    request is priced. Sources and times of learning are no differences.
    """
    before = {_key(card): card for card in old.cards}
    after = {_key(card): card for card in new.cards}
    lines: list[Difference] = []
    for key in sorted(before.keys() | after.keys(), key=_order):
        lines += _differences(before.get(key), after.get(key))
    return tuple(lines)


def _differences(old: PriceCard | None, new: PriceCard | None) -> Iterator[Difference]:
    card = new or old
    if card is None:
        return
    facts_before, facts_after = _facts(old), _facts(new)
    change: Change = "added" if old is None else "removed" if new is None else "changed"
    for what in sorted(facts_before.keys() | facts_after.keys()):
        was, now = facts_before.get(what), facts_after.get(what)
        if was != now:
            yield Difference(
                change=change,
                provider=card.provider,
                model=card.model,
                conditions=describe(card.conditions),
                valid_from_us=card.valid_from_us,
                what=what,
                old=was,
                new=now,
            )


def _facts(card: PriceCard | None) -> dict[str, str]:
    if card is None:
        return {}
    facts = {meter.label: _text(meter, rate) for meter, rate in known_rates(card.rates).items()}
    for tier in card.tiers:
        for meter, rate in known_rates(tier.rates).items():
            facts[f"{meter.label} above {tier.above_input_tokens}"] = _text(meter, rate)
    if card.valid_to_us is not None:
        facts["valid_to_us"] = str(card.valid_to_us)
    return facts


def _text(meter: Meter, rate: Rate) -> str:
    return quoted_usd(meter, rate)


def _key(card: PriceCard) -> _Key:
    return card.provider, card.model, card.conditions, card.valid_from_us, card.window


def _order(key: _Key) -> tuple[str, str, tuple[tuple[str, str], ...], int, int]:
    provider, model, conditions, valid_from_us, window = key
    return provider, model, conditions, valid_from_us or 0, window.start_minute if window else 0
