"""Price sheets on disk: the compiled package as a cache, and every snapshot ever in force as history.

``prices/genai-<version>-….cards`` is the installed package compiled; it is made on the first start and again whenever
the file is missing, damaged, or belongs to another version. ``prices/<digest>.cards`` is a whole snapshot under the
digest that rows name; it is never overwritten or removed, so a row's card can always be found.

A file is the SHA-256 of its content followed by the content, so that damage is noticed rather than priced with.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from bursar.catalog.sheet import Sheet, digest_of
from bursar.errors import BursarError
from bursar.price import METER_COUNT, PriceCard, RateSet, Tier

COMPILER: Final = 1
"""Raise it when `genai`, `genai_names` or `rates` makes something else of unchanged data."""

PACKAGE: Final = "genai-prices"

_SUFFIX: Final = ".cards"
_CACHE_PREFIX: Final = "genai-"
_HASH_BYTES: Final = hashlib.sha256().digest_size


class DamagedSheet(BursarError):
    """A stored price sheet does not match its own checksum or cannot be decoded."""


def prices_dir(data_dir: Path) -> Path:
    """Where price sheets, bundles and the quarantine list are kept."""
    return data_dir / "prices"


def packaged_sheet(data_dir: Path) -> Sheet:
    """The installed package's prices: from the cache, or compiled (about a second) and cached."""
    path = packaged_path(data_dir)
    try:
        return read_sheet(path)
    except (FileNotFoundError, DamagedSheet):
        # Imported by name and only here: the package costs half a second that a warm start must not pay.
        sheet: Sheet = import_module("bursar.catalog.genai").compile_package(version(PACKAGE))
        write_sheet(path, sheet)
        return sheet


def packaged_path(data_dir: Path) -> Path:
    """The cache of the installed package, compiled by this compiler for the meters there are."""
    return prices_dir(data_dir) / f"{_CACHE_PREFIX}{version(PACKAGE)}-c{COMPILER}-m{METER_COUNT}{_SUFFIX}"


def keep_snapshot(data_dir: Path, sheet: Sheet) -> Sheet:
    """Store a snapshot under its digest; one that is there already is returned, with the times it was first known."""
    path = prices_dir(data_dir) / f"{digest_of(sheet)}{_SUFFIX}"
    try:
        return read_sheet(path)
    except (FileNotFoundError, DamagedSheet):
        write_sheet(path, sheet)
        return sheet


def find_snapshot(data_dir: Path, digest: str) -> Sheet | None:
    """The snapshot a row's catalog digest names; ``None`` when it was never in force here."""
    try:
        return read_sheet(prices_dir(data_dir) / f"{digest}{_SUFFIX}")
    except FileNotFoundError:
        return None


def snapshot_before(data_dir: Path, digest: str) -> str | None:
    """The digest of the snapshot that was stored last, this one left aside; ``None`` when there is no other."""
    names = (path.name.removesuffix(_SUFFIX) for path in _newest_first(data_dir))
    return next((name for name in names if name != digest and not name.startswith(_CACHE_PREFIX)), None)


def find_card(data_dir: Path, card_id: str) -> PriceCard | None:
    """A card from any snapshot that was ever in force here; ``None`` when none holds it."""
    mark = card_id.encode()
    for path in _newest_first(data_dir):
        if mark not in path.read_bytes():
            continue
        try:
            sheet = read_sheet(path)
        except DamagedSheet:
            continue  # another file may hold the card; this one is rewritten when its snapshot is next in force
        for card in sheet.cards:
            if card.id == card_id:
                return card
    return None


def read_sheet(path: Path) -> Sheet:
    """Read a stored sheet; raises FileNotFoundError, or DamagedSheet when its content is not what was written."""
    stored = path.read_bytes()
    content = stored[_HASH_BYTES:]
    if hashlib.sha256(content).digest() != stored[:_HASH_BYTES]:
        raise DamagedSheet(f"{path} does not match its checksum; delete it and start again to rebuild it")
    try:
        sheet = msgspec.msgpack.decode(content, type=Sheet)
    except msgspec.MsgspecError as broken:
        raise DamagedSheet(f"{path} is not a price sheet of this version: {broken}") from None
    return _widened(sheet)


def write_sheet(path: Path, sheet: Sheet) -> None:
    """Store a sheet so that a reader finds either the old file or the whole new one."""
    content = msgspec.msgpack.encode(sheet)
    write_atomically(path, hashlib.sha256(content).digest() + content)


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, sync, and rename over it, so that no reader ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _newest_first(data_dir: Path) -> Iterator[Path]:
    paths = prices_dir(data_dir).glob(f"*{_SUFFIX}")
    yield from sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _widened(sheet: Sheet) -> Sheet:
    """Cards written before the newest meters were invented, with those meters unknown."""
    if not sheet.cards or len(sheet.cards[0].rates.by_meter) == METER_COUNT:
        return sheet
    return replace(sheet, cards=tuple(_widened_card(card) for card in sheet.cards))


def _widened_card(card: PriceCard) -> PriceCard:
    tiers = tuple(Tier(tier.above_input_tokens, _widened_rates(tier.rates)) for tier in card.tiers)
    return replace(card, rates=_widened_rates(card.rates), tiers=tiers)


def _widened_rates(rates: RateSet) -> RateSet:
    missing = METER_COUNT - len(rates.by_meter)
    return replace(rates, by_meter=rates.by_meter + (None,) * missing)
