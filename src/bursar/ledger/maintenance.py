"""Keeping the segments few and the days limited: compaction and retention, each one manifest replacement.

Small segments of a day are merged in tiers of `FAN_IN`, so a row is rewritten a handful of times however often the
ledger is flushed; once a day is over its segments become large files sorted by time. Retention drops whole days: the
rows go, their hourly sums are kept as truth beside the segments.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
from msgspec import structs

from bursar.ledger.files import make_folder, write_whole
from bursar.ledger.manifest import DroppedDay, Manifest, SegmentEntry
from bursar.ledger.segments import Segments, parquet_bytes
from bursar.ledger.store import Store

FAN_IN: Final = 16
"""Small segments of one size class that are merged into one."""

PAST_DAY_ROWS: Final = 100_000
"""Most rows in a merged segment of a past day: about 100 MB, three times over while it is sorted."""

_ORDER: Final = [("at", "ascending"), ("call_id", "ascending"), ("attempt", "ascending"), ("revision", "ascending")]


def compact(segments: Segments, store: Store, *, today: str, segment_rows: int) -> bool:
    """Merge one group of segments if there is one; returns whether there was."""
    group = next(mergeable(segments.manifest, today=today, segment_rows=segment_rows), None)
    if group is None:
        return False
    names = tuple(entry.name for entry in group)
    table = pa.concat_tables([segments.read(entry) for entry in group]).sort_by(_ORDER)
    merged = segments.write(group[0].day, table, number=segments.manifest.next_segment, replaces=names)
    segments.commit(segments.manifest.with_segments(added=(merged,), removed=frozenset(names)))
    segments.step(f"rename segments to {merged.name} in the index")
    store.rename(names, merged.name)
    for entry in group:
        segments.unlink(entry)
    return True


def mergeable(manifest: Manifest, *, today: str, segment_rows: int) -> Iterator[Sequence[SegmentEntry]]:
    """Groups of segments that are worth merging, each of one day."""
    for day in manifest.days():
        entries = [entry for entry in manifest.segments if entry.day == day]
        if day < today:
            yield from _past(entries)
        else:
            yield from _tiers(entries, segment_rows)


def drop_before(segments: Segments, store: Store, day: str) -> int:
    """Drop the rows of every day before ``day``, keeping their hourly sums; returns how many days went."""
    days = [one for one in segments.manifest.days() if one < day]
    for one in days:
        _drop(segments, store, one)
    if segments.manifest.dropped_before < day:
        segments.commit(structs.replace(segments.manifest, dropped_before=day))
    return len(days)


def _drop(segments: Segments, store: Store, day: str) -> None:
    manifest = segments.manifest
    gone = [entry for entry in manifest.segments if entry.day == day]
    names = tuple(entry.name for entry in gone)
    path = segments.layout.rollup(day)
    make_folder(path.parent)
    write_whole(path, parquet_bytes(store.day_sums(day)), step=segments.step)
    kept = manifest.with_segments(added=(), removed=frozenset(names))
    dropped = (*manifest.dropped, DroppedDay(day, names))
    segments.commit(structs.replace(kept, dropped=dropped, dropped_before=max(manifest.dropped_before, _after(day))))
    segments.step(f"drop {day} from the index")
    store.drop_day(day, names)
    for entry in gone:
        segments.unlink(entry)


def _after(day: str) -> str:
    """The smallest text that sorts after a day and before the next one."""
    return f"{day}+"


def _past(entries: Sequence[SegmentEntry]) -> Iterator[Sequence[SegmentEntry]]:
    group: list[SegmentEntry] = []
    for entry in (entry for entry in entries if entry.rows < PAST_DAY_ROWS // 2):
        if group and sum(one.rows for one in group) + entry.rows > PAST_DAY_ROWS:
            break
        group.append(entry)
    if len(group) > 1:
        yield group


def _tiers(entries: Sequence[SegmentEntry], segment_rows: int) -> Iterator[Sequence[SegmentEntry]]:
    tiers: dict[int, list[SegmentEntry]] = {}
    for entry in entries:
        if entry.rows < segment_rows:
            tiers.setdefault(_tier(entry.rows), []).append(entry)
    for tier in tiers.values():
        if len(tier) >= FAN_IN:
            yield tier[:FAN_IN]


def _tier(rows: int) -> int:
    """Size classes are powers of `FAN_IN`, so a merge of one class lands in a higher one."""
    return (rows.bit_length() - 1) // (FAN_IN.bit_length() - 1)
