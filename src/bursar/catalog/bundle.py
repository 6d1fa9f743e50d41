"""Price bundles: cards in a file that can be carried to a machine without network, checked by its digest.

A bundle is JSON: ``format``, ``sha256`` and ``content``. The digest is over the content in one canonical spelling, so
white space does not matter and a changed figure does. A bundle whose digest does not match is refused. Imported
bundles are kept under ``prices/bundles/`` with the time of import in the name, which is when their prices became known;
they lie above the packaged prices, a later import above an earlier one.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from bursar.catalog.compiled import prices_dir, write_atomically
from bursar.catalog.conditions import normalise
from bursar.catalog.rates import known_rates
from bursar.catalog.sheet import ModelNames, Sheet, seal
from bursar.errors import BursarError
from bursar.money import format_usd, parse_usd
from bursar.price import CardId, DailyWindow, PriceCard, Rate, RateSet, Tier, rate_set
from bursar.usage import Meter, meter_named

FORMAT: Final = "bursar-prices-1"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST_HEX: Final = 16


class BundleError(BursarError):
    """A price bundle cannot be used."""


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the file's objects."""


class BundleRate(_Strict, frozen=True):
    """``usd`` for ``per`` units: exact decimal text."""

    usd: str
    per: int = 1


class BundleTier(_Strict, frozen=True):
    """Rates above a number of input tokens."""

    above_input_tokens: int
    rates: dict[str, BundleRate]


class BundleCard(_Strict, frozen=True):
    """A price card as the file spells it: rates by meter name, times as ISO 8601."""

    provider: str
    model: str
    rates: dict[str, BundleRate]
    tiers: list[BundleTier] = []
    conditions: dict[str, str] = {}
    window: tuple[int, int] | None = None
    """Daily UTC minutes, the end excluded."""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    minimums: dict[str, int] = {}


class BundleContent(_Strict, frozen=True):
    """What the digest covers."""

    cards: list[BundleCard]
    models: list[ModelNames] = []


class Bundle(_Strict, frozen=True):
    """The whole file."""

    format: Literal["bursar-prices-1"]
    sha256: str
    content: BundleContent


def export_bundle(cards: Iterable[PriceCard], models: Iterable[ModelNames] = ()) -> bytes:
    """The file for these cards and names."""
    content = BundleContent(cards=[_to_file(card) for card in cards], models=list(models))
    bundle = Bundle(format=FORMAT, sha256=_digest(content), content=content)
    return msgspec.json.format(msgspec.json.encode(bundle, order="deterministic"), indent=2)


def read_bundle(data: bytes, *, known_at_us: int) -> Sheet:
    """The cards and names of a file; raises BundleError when it is malformed or its digest does not match."""
    try:
        bundle = msgspec.json.decode(data, type=Bundle)
    except msgspec.MsgspecError as broken:
        raise BundleError(f"not a price bundle of format {FORMAT}: {broken}") from None
    digest = _digest(bundle.content)
    if digest != bundle.sha256:
        raise BundleError(f"the bundle says its content hashes to {bundle.sha256}, but it is {digest}; get it again")
    source = f"bundle {digest[:_DIGEST_HEX]}"
    cards = tuple(seal(_from_file(card, source=source, known_at_us=known_at_us)) for card in bundle.content.cards)
    return Sheet(cards=cards, models=tuple(bundle.content.models), known_at_us=known_at_us)


def import_bundle(data_dir: Path, data: bytes, *, now_us: int, expected: str | None = None) -> Sheet:
    """Check a bundle and keep it as known from now on; a bundle kept already stays known from its first import.

    ``expected`` is the SHA-256 that the sender named elsewhere: the bundle's own digest finds damage, but whoever
    changes a bundle can change that too. Raises BundleError when it is another.
    """
    sheet = read_bundle(data, known_at_us=now_us)
    digest = msgspec.json.decode(data, type=Bundle).sha256
    if expected is not None and expected.lower() != digest:
        raise BundleError(f"the bundle's content hashes to {digest}, not to the expected {expected}; do not use it")
    kept = next(_directory(data_dir).glob(f"*-{digest[:_DIGEST_HEX]}.json"), None)
    if kept is not None:
        return read_bundle(data, known_at_us=_known_at_us(kept))
    write_atomically(_directory(data_dir) / f"{now_us:020}-{digest[:_DIGEST_HEX]}.json", data)
    return sheet


def stored_bundles(data_dir: Path) -> list[Sheet]:
    """Imported bundles, oldest import first; raises BundleError naming the file when one is damaged."""
    sheets = []
    for path in sorted(_directory(data_dir).glob("*.json")):
        try:
            sheets.append(read_bundle(path.read_bytes(), known_at_us=_known_at_us(path)))
        except BundleError as damaged:
            raise BundleError(f"{path}: {damaged}; or delete the file to go without it") from None
    return sheets


def _directory(data_dir: Path) -> Path:
    return prices_dir(data_dir) / "bundles"


def _known_at_us(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _digest(content: BundleContent) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _to_file(card: PriceCard) -> BundleCard:
    return BundleCard(
        provider=card.provider,
        model=card.model,
        rates=_rates_to_file(card.rates),
        tiers=[BundleTier(tier.above_input_tokens, _rates_to_file(tier.rates)) for tier in card.tiers],
        conditions=dict(card.conditions),
        window=(card.window.start_minute, card.window.end_minute) if card.window else None,
        valid_from=_moment(card.valid_from_us),
        valid_to=_moment(card.valid_to_us),
        minimums={Meter(meter).label: least for meter, least in card.minimums},
    )


def _from_file(card: BundleCard, *, source: str, known_at_us: int) -> PriceCard:
    where = f"{card.provider}/{card.model}"
    return PriceCard(
        id=CardId(""),
        provider=card.provider,
        model=card.model,
        rates=_rates_from_file(card.rates, where),
        source=source,
        tiers=tuple(
            Tier(tier.above_input_tokens, _rates_from_file(tier.rates, where))
            for tier in sorted(card.tiers, key=lambda one: one.above_input_tokens)
        ),
        conditions=normalise(tuple(card.conditions.items())),
        window=DailyWindow(*card.window) if card.window else None,
        valid_from_us=_instant_us(card.valid_from, where),
        valid_to_us=_instant_us(card.valid_to, where),
        known_at_us=known_at_us,
        minimums=tuple(sorted((int(_meter(label, where)), least) for label, least in card.minimums.items())),
    )


def _rates_to_file(rates: RateSet) -> dict[str, BundleRate]:
    return {meter.label: BundleRate(format_usd(rate.pico), rate.per) for meter, rate in known_rates(rates).items()}


def _rates_from_file(rates: dict[str, BundleRate], where: str) -> RateSet:
    return rate_set({_meter(label, where): _rate(rate, where) for label, rate in rates.items()})


def _rate(rate: BundleRate, where: str) -> Rate:
    try:
        pico = parse_usd(rate.usd)
    except ValueError as wrong:
        raise BundleError(f"{where}: {wrong}") from None
    if pico < 0 or rate.per < 1:
        raise BundleError(f"{where}: a price of {rate.usd} for {rate.per} units is none")
    exact = Fraction(pico, rate.per)
    return Rate(exact.numerator, exact.denominator)


def _meter(label: str, where: str) -> Meter:
    try:
        return meter_named(label)
    except KeyError:
        raise BundleError(f"{where}: '{label}' is no meter of this version; upgrade, or remove it") from None


def _moment(instant_us: int | None) -> datetime | None:
    return None if instant_us is None else _EPOCH + timedelta(microseconds=instant_us)


def _instant_us(moment: datetime | None, where: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise BundleError(f"{where}: {moment.isoformat()} has no time zone; write it with a Z")
    return (moment - _EPOCH) // timedelta(microseconds=1)
