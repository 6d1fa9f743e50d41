"""Bringing the index up to the manifest, however far the last process got.

The index may lag behind by whole steps: a segment not appended, a merge not noted, a day not dropped. It may never be
ahead; one that knows a segment the manifest does not account for belongs to another history and is rebuilt.
"""

from bursar.ledger.manifest import DroppedDay, Manifest, SegmentEntry
from bursar.ledger.segments import Segments
from bursar.ledger.store import Store


def is_foreign(manifest: Manifest, applied: frozenset[str]) -> bool:
    """Whether an index holds what this manifest cannot explain, or only a part of what was replaced together."""
    replacements = [(entry.name, entry.replaces) for entry in manifest.segments]
    replacements += [(entry.day, entry.replaces) for entry in manifest.dropped]
    explained = {name for name, _ in replacements}
    for name, replaced in replacements:
        known = applied.intersection(replaced)
        if known and (name in applied or len(known) != len(replaced)):
            return True
        explained |= known
    return not applied <= explained


def catch_up(segments: Segments, store: Store) -> None:
    """Take every step that the store lacks; the store must not be foreign."""
    applied = store.applied()
    for segment in segments.manifest.segments:
        if segment.name not in applied:
            _catch_up_segment(segment, applied, segments, store)
    for day in segments.manifest.dropped:
        if day.day not in applied:
            _catch_up_day(day, applied, segments, store)


def _catch_up_segment(entry: SegmentEntry, applied: frozenset[str], segments: Segments, store: Store) -> None:
    if applied.intersection(entry.replaces):
        store.rename(entry.replaces, entry.name)
    else:
        store.append(entry.name, segments.read(entry))


def _catch_up_day(entry: DroppedDay, applied: frozenset[str], segments: Segments, store: Store) -> None:
    if applied.intersection(entry.replaces):
        store.drop_day(entry.day, entry.replaces)
    else:
        store.restore_day_sums(entry.day, segments.read_sums(entry.day))
