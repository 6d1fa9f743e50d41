"""How prices per unit become a rate for every meter, and which meter a price covers when it has none of its own.

Sources price units ("input tokens", "cached audio tokens", "hours of audio"); a card prices meters. A unit covers its
own meter and those more specific meters that no price of their own names. What covers what, and why:

- *Input tokens* cover text, audio, image, video and tool input: the source defines the unit as every input token
  without a more specific price, and providers bill a modality at the text rate unless they publish another.
- *Output tokens* cover text, reasoning, audio, image and video, for the same reason: reasoning is billed as output.
- *Cache reads* cover their modalities, but input does not cover cache reads: providers either discount a cached token
  or do not report one, so a cached token without a price is a gap in the source, and unknown.
- *Cache writes* cover the 5 and 30 minute lifetimes, never the hour: Anthropic charges 1.25 and 2 times the input price
  for them (prompt caching guide, 2026-10), so the one says nothing about the other.
- *Hours of audio* cover both directions; a direction's own price wins.
- A *request* costs nothing where no fee per request is published: there is no fee, which is an explicit zero.

Everything else without a price is ``None``: unknown, never zero.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final

from msgspec import Struct

from bursar.money import PICO_PER_USD, format_usd, round_half_even
from bursar.price import Rate, RateSet, rate_set
from bursar.usage import INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter

MILLION: Final = 10**6
THOUSAND: Final = 1000
HOUR_MS: Final = 3_600_000

ZERO: Final = Rate(0, 1)

TOKEN_METERS: Final = INPUT_TOKEN_METERS | OUTPUT_TOKEN_METERS

FREE_METERS: Final[Mapping[str, tuple[Meter, ...]]] = {"anthropic": (Meter.FETCHES,)}
"""Meters a provider counts and documents as free: Anthropic's web fetch tool costs nothing beyond tokens (web fetch
tool documentation, "Usage and pricing")."""

Amount = Decimal | Fraction
"""An exact price in USD."""


class Unit(Struct, frozen=True):
    """What a price is quoted for: ``per`` counts of each of ``meters``."""

    per: int
    meters: tuple[Meter, ...]


class UnknownUnit(KeyError):
    """A price is quoted for a unit that no meter counts."""


UNITS: Final[Mapping[str, Unit]] = {
    "input_mtok": Unit(
        MILLION, (Meter.INPUT_TEXT, Meter.INPUT_AUDIO, Meter.INPUT_IMAGE, Meter.INPUT_VIDEO, Meter.TOOL_INPUT)
    ),
    "input_text_mtok": Unit(MILLION, (Meter.INPUT_TEXT, Meter.TOOL_INPUT)),
    "input_audio_mtok": Unit(MILLION, (Meter.INPUT_AUDIO,)),
    "input_image_mtok": Unit(MILLION, (Meter.INPUT_IMAGE,)),
    "input_video_mtok": Unit(MILLION, (Meter.INPUT_VIDEO,)),
    "input_tool_mtok": Unit(MILLION, (Meter.TOOL_INPUT,)),
    "cache_read_mtok": Unit(
        MILLION, (Meter.CACHE_READ, Meter.CACHE_READ_AUDIO, Meter.CACHE_READ_IMAGE, Meter.CACHE_READ_VIDEO)
    ),
    "cache_text_read_mtok": Unit(MILLION, (Meter.CACHE_READ,)),
    "cache_audio_read_mtok": Unit(MILLION, (Meter.CACHE_READ_AUDIO,)),
    "cache_image_read_mtok": Unit(MILLION, (Meter.CACHE_READ_IMAGE,)),
    "cache_video_read_mtok": Unit(MILLION, (Meter.CACHE_READ_VIDEO,)),
    "cache_write_mtok": Unit(MILLION, (Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_30M)),
    "cache_write_5m_mtok": Unit(MILLION, (Meter.CACHE_WRITE_5M,)),
    "cache_write_1h_mtok": Unit(MILLION, (Meter.CACHE_WRITE_1H,)),
    "output_mtok": Unit(
        MILLION,
        (Meter.OUTPUT_TEXT, Meter.OUTPUT_REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE, Meter.OUTPUT_VIDEO),
    ),
    "output_text_mtok": Unit(MILLION, (Meter.OUTPUT_TEXT, Meter.OUTPUT_REASONING)),
    "output_reasoning_mtok": Unit(MILLION, (Meter.OUTPUT_REASONING,)),
    "output_audio_mtok": Unit(MILLION, (Meter.OUTPUT_AUDIO,)),
    "output_image_mtok": Unit(MILLION, (Meter.OUTPUT_IMAGE,)),
    "output_video_mtok": Unit(MILLION, (Meter.OUTPUT_VIDEO,)),
    "web_searches_kcount": Unit(THOUSAND, (Meter.SEARCHES,)),
    "storage_searches_kcount": Unit(THOUSAND, (Meter.FILE_SEARCHES,)),
    "code_executions_kcount": Unit(THOUSAND, (Meter.CODE_EXECUTIONS,)),
    "audio_hours": Unit(HOUR_MS, (Meter.INPUT_AUDIO_MS, Meter.OUTPUT_AUDIO_MS)),
    "input_audio_hours": Unit(HOUR_MS, (Meter.INPUT_AUDIO_MS,)),
    "output_audio_hours": Unit(HOUR_MS, (Meter.OUTPUT_AUDIO_MS,)),
    "input_mchars": Unit(MILLION, (Meter.CHARACTERS,)),
    "input_document_kpages": Unit(THOUSAND, (Meter.PAGES,)),
    "input_annotated_document_kpages": Unit(THOUSAND, (Meter.ANNOTATED_PAGES,)),
    "rerank_searches_kcount": Unit(THOUSAND, (Meter.SEARCH_UNITS,)),
    "requests_kcount": Unit(THOUSAND, (Meter.REQUESTS,)),
}
"""Price keys of the source, general before specific: a later one replaces what an earlier one covered."""


def exact_rate(usd: Amount, per: int) -> Rate:
    """``usd`` for ``per`` units as a rate in lowest terms."""
    pico = Fraction(usd) * PICO_PER_USD / per
    return Rate(pico.numerator, pico.denominator)


def spread(prices: Mapping[str, Amount]) -> dict[Meter, Rate]:
    """Prices by unit as rates by meter, completed by the rules above.

    Raises UnknownUnit for a price key that no meter counts: leaving it out would charge its usage nothing.
    """
    unknown = prices.keys() - UNITS.keys()
    if unknown:
        raise UnknownUnit(min(unknown))
    rates = {Meter.REQUESTS: ZERO}
    for key, unit in UNITS.items():
        if key in prices:
            rate = exact_rate(prices[key], unit.per)
            rates.update(dict.fromkeys(unit.meters, rate))
    return rates


def free_rates(meters: Iterable[int]) -> dict[Meter, Rate]:
    """Explicit zeros for these meters."""
    return {Meter(meter): ZERO for meter in meters}


def quoted_per(meter: Meter) -> int:
    """How many counts people quote a price for: a million tokens or characters, an hour, one of anything else."""
    if meter in TOKEN_METERS or meter is Meter.CHARACTERS:
        return MILLION
    return HOUR_MS if meter.unit == "ms" else 1


def quoted_usd(meter: Meter, rate: Rate) -> str:
    """A rate as people quote it, decimal USD rounded to a picodollar: ``2.50`` for a million tokens."""
    return format_usd(round_half_even(rate.pico * quoted_per(meter), rate.per))


def known_rates(rates: RateSet) -> dict[Meter, Rate]:
    """The meters that have a price."""
    return {Meter(index): rate for index, rate in enumerate(rates.by_meter) if rate is not None}


def scaled(rates: RateSet, factor: Fraction) -> RateSet:
    """Every known rate multiplied by ``factor``, exactly."""
    changed = {}
    for meter, rate in known_rates(rates).items():
        pico = Fraction(rate.pico, rate.per) * factor
        changed[meter] = Rate(pico.numerator, pico.denominator)
    return rate_set(changed)
