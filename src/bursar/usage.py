"""Usage as disjoint meters: every token, second or search a provider bills is counted in exactly one meter.

Providers disagree on whether cached or reasoning tokens sit inside their totals. Each dialect settles that once, so
that past this module ``sum(meters) == what the provider counted`` and costs simply add up. A ``Usage`` never holds
zeros: absent and zero are the same *quantity*; that usage is unknown altogether is said by ``None`` in its place.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct


class Meter(IntEnum):
    """What is counted. The values are stored: append new meters, never renumber."""

    INPUT_TEXT = 0
    INPUT_AUDIO = 1
    INPUT_IMAGE = 2
    INPUT_VIDEO = 3
    CACHE_READ = 4
    CACHE_READ_AUDIO = 5
    CACHE_READ_IMAGE = 6
    CACHE_READ_VIDEO = 7
    CACHE_WRITE_5M = 8
    CACHE_WRITE_30M = 9
    CACHE_WRITE_1H = 10
    TOOL_INPUT = 11
    OUTPUT_TEXT = 12
    OUTPUT_REASONING = 13
    OUTPUT_AUDIO = 14
    OUTPUT_IMAGE = 15
    OUTPUT_VIDEO = 16
    SEARCHES = 17
    FETCHES = 18
    FILE_SEARCHES = 19
    CODE_EXECUTIONS = 20
    CODE_EXECUTION_MS = 21
    IMAGES = 22
    INPUT_AUDIO_MS = 23
    OUTPUT_AUDIO_MS = 24
    VIDEO_MS = 25
    CHARACTERS = 26
    PAGES = 27
    ANNOTATED_PAGES = 28
    SEARCH_UNITS = 29
    REQUESTS = 30
    GPU_MS = 31

    @property
    def label(self) -> str:
        """The meter's public name, as rows, reports and settings spell it."""
        return _LABELS[self]

    @property
    def unit(self) -> str:
        """What one count of this meter is: a ``token``, an ``image``, an ``ms`` (seconds are kept as milliseconds)."""
        return _UNITS.get(self, "token")


_LABELS: Final = tuple(meter.name.lower() for meter in Meter)

_UNITS: Final[Mapping[Meter, str]] = {
    Meter.SEARCHES: "search",
    Meter.FETCHES: "fetch",
    Meter.FILE_SEARCHES: "search",
    Meter.CODE_EXECUTIONS: "execution",
    Meter.CODE_EXECUTION_MS: "ms",
    Meter.IMAGES: "image",
    Meter.INPUT_AUDIO_MS: "ms",
    Meter.OUTPUT_AUDIO_MS: "ms",
    Meter.VIDEO_MS: "ms",
    Meter.CHARACTERS: "character",
    Meter.PAGES: "page",
    Meter.ANNOTATED_PAGES: "page",
    Meter.SEARCH_UNITS: "search unit",
    Meter.REQUESTS: "request",
    Meter.GPU_MS: "ms",
}

INPUT_TOKEN_METERS: Final = frozenset(range(Meter.INPUT_TEXT, Meter.TOOL_INPUT + 1))
"""Meters that make up the tokens a request sends in, cached or not; context tiers are chosen by their sum."""

OUTPUT_TOKEN_METERS: Final = frozenset(range(Meter.OUTPUT_TEXT, Meter.OUTPUT_VIDEO + 1))

CACHE_READ_METERS: Final = frozenset(range(Meter.CACHE_READ, Meter.CACHE_READ_VIDEO + 1))

CACHE_WRITE_METERS: Final = frozenset(range(Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H + 1))

_LAST_INPUT: Final = int(Meter.TOOL_INPUT)
_FIRST_OUTPUT: Final = int(Meter.OUTPUT_TEXT)
_LAST_OUTPUT: Final = int(Meter.OUTPUT_VIDEO)


TOKEN_METERS: Final = INPUT_TOKEN_METERS | CACHE_WRITE_METERS | OUTPUT_TOKEN_METERS
"""Every meter that counts tokens."""


class Usage(Struct, frozen=True, array_like=True):
    """An immutable vector of positive whole quantities by meter; build it with `usage_of`."""

    counts: tuple[tuple[int, int], ...] = ()
    """(meter, quantity) pairs in meter order, without zeros."""

    @property
    def input_tokens(self) -> int:
        """All tokens sent in: uncached, cache reads, cache writes and tool input."""
        total = 0
        for meter, quantity in self.counts:
            if meter <= _LAST_INPUT:
                total += quantity
        return total

    @property
    def output_tokens(self) -> int:
        """All tokens produced, reasoning included."""
        total = 0
        for meter, quantity in self.counts:
            if _FIRST_OUTPUT <= meter <= _LAST_OUTPUT:
                total += quantity
        return total

    def quantity(self, meter: Meter) -> int:
        """The quantity of one meter; 0 when it was not used."""
        for other, quantity in self.counts:
            if other == meter:
                return quantity
        return 0

    def __add__(self, other: "Usage") -> "Usage":
        totals = dict(self.counts)
        for meter, quantity in other.counts:
            totals[meter] = totals.get(meter, 0) + quantity
        return Usage(tuple(sorted(totals.items())))


EMPTY: Final = Usage()


def usage_of(quantities: Mapping[Meter, int] | Iterable[tuple[Meter, int]]) -> Usage:
    """Build a Usage from quantities by meter, dropping zeros.

    Raises ValueError on a negative quantity: a provider that reports more cached tokens than tokens contradicts itself,
    and the caller must say so rather than bill less than nothing.
    """
    pairs = quantities.items() if isinstance(quantities, Mapping) else quantities
    counts = []
    for meter, quantity in pairs:
        if quantity < 0:
            raise ValueError(f"{meter.label} cannot be negative, got {quantity}")
        if quantity:
            counts.append((int(meter), quantity))
    counts.sort()
    return Usage(tuple(counts))


def tokens_of(counts: Iterable[tuple[int, int]]) -> int:
    """All tokens among (meter, quantity) pairs, input and output."""
    return sum([quantity for meter, quantity in counts if meter in TOKEN_METERS])


def meter_named(label: str) -> Meter:
    """The meter with this public name; raises KeyError for an unknown one."""
    return Meter[label.upper()]
