"""From the facts of a request to the rules that match it, at a cost that does not grow with the number of rules.

Rules are filed by their *shape*, the set of dimensions they name exactly, and under it by the values they name. A
request looks once into each shape, and there are only as many shapes as ways of writing rules (a dozen, not ten
thousand). Patterns (`gpt-5*`) do not take part in the filing; they are tried on what the exact dimensions leave.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from msgspec import Struct

from bursar.policy.globs import ANY, Patterns

Match = Mapping[str, str | tuple[str, ...]]
"""Dimension to value or alternatives; `*` in a value stands for any run of characters. Empty matches everything."""

R = TypeVar("R")

_MOST_COPIES: Final = 1024
"""Places that one rule is filed under at most: its dimensions with the most alternatives are tried like patterns."""


class _Filed(Struct, Generic[R], frozen=True):
    position: int
    rule: R
    patterns: tuple[tuple[str, Patterns], ...]


class Index(Generic[R]):
    """Rules by what they match; immutable once it is made."""

    __slots__ = ("_always", "_shapes")

    def __init__(self, rules: Iterable[tuple[Match, R]]) -> None:
        """File ``rules``; `find` returns them in this order."""
        shapes: dict[tuple[str, ...], dict[str | tuple[str, ...], list[_Filed[R]]]] = {}
        self._always: list[_Filed[R]] = []
        for position, (match, rule) in enumerate(rules):
            exact, patterns = _parted(match)
            filed = _Filed(position, rule, patterns)
            if not exact:
                self._always.append(filed)
                continue
            names = tuple(sorted(exact))
            shelf = shapes.setdefault(names, {})
            for values in itertools.product(*(exact[name] for name in names)):
                shelf.setdefault(values[0] if len(values) == 1 else values, []).append(filed)
        self._shapes = tuple(shapes.items())

    def find(self, facts: Mapping[str, str]) -> list[R]:
        """The rules whose every dimension has one of its values among ``facts``, in the order they were given."""
        found = [one for one in self._always if not one.patterns or _fits(one, facts)] if self._always else []
        for names, shelf in self._shapes:
            if len(names) == 1:
                filed = shelf.get(facts.get(names[0], ""))
            else:
                filed = shelf.get(tuple([facts.get(name, "") for name in names]))
            if filed is not None:
                found.extend(one for one in filed if not one.patterns or _fits(one, facts))
        if len(found) > 1:
            found.sort(key=_position)
        return [one.rule for one in found]


def _position(filed: _Filed[R]) -> int:
    return filed.position


def _fits(filed: _Filed[R], facts: Mapping[str, str]) -> bool:
    return all(patterns.matches(facts.get(name, "")) for name, patterns in filed.patterns)


def _parted(match: Match) -> tuple[dict[str, tuple[str, ...]], tuple[tuple[str, Patterns], ...]]:
    """Exact alternatives by dimension, without repeats, and the dimensions that are tried."""
    exact: dict[str, tuple[str, ...]] = {}
    patterns = []
    for name, value in match.items():
        values = tuple(dict.fromkeys((value,) if isinstance(value, str) else value))
        if any(ANY in one for one in values):
            patterns.append((name, Patterns.of(values)))
        else:
            exact[name] = values
    while math.prod(map(len, exact.values())) > _MOST_COPIES:
        widest = max(exact, key=lambda name: len(exact[name]))
        patterns.append((widest, Patterns.of(exact.pop(widest))))
    return exact, tuple(patterns)
