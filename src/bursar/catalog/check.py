"""Two price sources side by side: where they agree, where they differ, and what only one of them knows.

A difference says that one of the two is wrong, not which; the provider's page decides. Models with a difference go to
quarantine (see `quarantine`), where they keep their price and are flagged.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

from bursar.catalog.conditions import DEPLOYMENTS, Conditions
from bursar.catalog.litellm_map import Figure, MapEntry
from bursar.catalog.quarantine import Disputed
from bursar.catalog.rates import exact_rate, quoted_usd
from bursar.catalog.snapshot import Catalog, NoPrice
from bursar.price import Rate, rates_for

TOLERANCE: Final = Fraction(1, 1000)
"""Relative difference that counts as agreement: both sources print some prices rounded, such as $0.111 an hour as
$0.00003083 a second."""

Finding = Literal["agrees", "differs", "missing_here", "missing_there"]


class Comparison(Struct, frozen=True):
    """One line of a check: a figure both sources were asked for, or a model that one of them lacks."""

    finding: Finding
    provider: str
    model: str
    name: str = ""
    """The model as the second source spells it."""
    field: str = ""
    """The second source's key; empty when the whole model is missing."""
    ours_usd: str | None = None
    """As quoted: for a million tokens."""
    theirs_usd: str | None = None
    ratio: str | None = None
    """Theirs over ours, four decimals; ``None`` when ours is zero."""


def compare(catalog: Catalog, entries: Iterable[MapEntry], *, at_us: int) -> tuple[Comparison, ...]:
    """Every figure of the second source against the catalog's price at this instant, then what it lacks."""
    lines: list[Comparison] = []
    seen = defaultdict(set)
    for entry in entries:
        model = catalog.canonical(entry.provider, entry.model)
        if model is None:
            if entry.provider in catalog.lists:
                lines.append(Comparison("missing_here", entry.provider, entry.model, name=entry.model))
            continue
        seen[entry.provider].add(model)
        lines += (_compare_figure(catalog, entry, figure, model, at_us=at_us) for figure in entry.figures)
    return (*lines, *_missing_there(catalog, seen))


def disputed_models(lines: Iterable[Comparison], *, now_us: int) -> tuple[Disputed, ...]:
    """The models with a difference, as the quarantine list wants them."""
    fields = defaultdict(set)
    for line in lines:
        if line.finding == "differs":
            fields[line.provider, line.model].add(line.field)
    return tuple(
        Disputed(provider=provider, model=model, fields=tuple(sorted(keys)), found_us=now_us)
        for (provider, model), keys in sorted(fields.items())
    )


def _compare_figure(catalog: Catalog, entry: MapEntry, figure: Figure, model: str, *, at_us: int) -> Comparison:
    theirs = exact_rate(figure.usd, 1)
    ours = _our_rate(catalog, entry, figure, at_us=at_us)
    if ours is None:
        return Comparison(
            "missing_here",
            entry.provider,
            model,
            name=entry.model,
            field=figure.key,
            theirs_usd=quoted_usd(figure.meter, theirs),
        )
    left, right = Fraction(ours.pico, ours.per), Fraction(theirs.pico, theirs.per)
    return Comparison(
        "agrees" if abs(left - right) <= TOLERANCE * left else "differs",
        entry.provider,
        model,
        name=entry.model,
        field=figure.key,
        ours_usd=quoted_usd(figure.meter, ours),
        theirs_usd=quoted_usd(figure.meter, theirs),
        ratio=_ratio(right, left),
    )


def _our_rate(catalog: Catalog, entry: MapEntry, figure: Figure, *, at_us: int) -> Rate | None:
    conditions: Conditions = figure.conditions
    if entry.provider in DEPLOYMENTS:
        conditions = (*conditions, ("deployment", "global"))
    found = catalog.resolve(entry.provider, entry.model, conditions=conditions, at_us=at_us)
    if isinstance(found, NoPrice):
        return None
    tokens = figure.above_input_tokens + 1 if figure.above_input_tokens else 0
    return rates_for(found.card, tokens).by_meter[figure.meter]


def _missing_there(catalog: Catalog, seen: dict[str, set[str]]) -> Iterator[Comparison]:
    for provider, models in sorted(seen.items()):
        for model in catalog.models(provider):
            if model not in models:
                yield Comparison("missing_there", provider, model)


def _ratio(theirs: Fraction, ours: Fraction) -> str | None:
    if not ours:
        return None
    ratio = theirs / ours
    return f"{Decimal(ratio.numerator) / Decimal(ratio.denominator):.4f}"
