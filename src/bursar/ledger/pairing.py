"""Pairing: from the records read off the spools to the rows they come to. Pure.

Per attempt: `Opened` waits for its `Settled`; when its worker is dead and nothing of it is left unread, it becomes an
`interrupted` row. A record that the ledger already holds comes to nothing, so a spool that is read twice, or copied,
adds nothing. Corrections apply in the order of their revisions and wait for the one before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bursar.events import Corrected, Outcome, Settled
from bursar.ledger.frames import OpenAttempt, ReadRecord
from bursar.ledger.row import AttemptKey, Row, corrected_rows, interrupted_row, resettled_rows, settled_row

Place = tuple[str, int]
"""A record's spool file and offset."""

Waiting = Mapping[Place, OpenAttempt | Corrected]
"""Records that were read and cannot be finished yet."""

Lookup = Callable[[Collection[AttemptKey]], Mapping[AttemptKey, Row]]
"""Finds the present rows of attempts that the ledger already holds."""

_INTERRUPTED: Final = Outcome.INTERRUPTED.value


class Paired(Struct, frozen=True):
    """What a batch of records came to."""

    rows: Sequence[Row]
    waiting: Waiting
    duplicates: int


def pair(
    records: Iterable[tuple[Place, ReadRecord]],
    waiting: Waiting,
    *,
    ended: Collection[str],
    lookup: Lookup,
    now_us: int,
) -> Paired:
    """Pair newly read records with the waiting ones.

    ``ended`` names the spool files of dead workers that have been read to their end.
    """
    still: dict[Place, OpenAttempt | Corrected] = dict(waiting)
    settled: dict[AttemptKey, Settled] = {}
    duplicates = 0
    for place, record in records:
        if not isinstance(record, Settled):
            still[place] = record
        elif settled.setdefault(_key(record), record) is not record:
            duplicates += 1
    present = dict(lookup(_keys_to_look_up(settled, still, ended)))
    rows: list[Row] = []
    for key, one in settled.items():
        added = _settle(one, present.get(key))
        duplicates += 0 if added else 1
        _add(added, rows, present)
    for place, opened in [(place, record) for place, record in still.items() if isinstance(record, OpenAttempt)]:
        is_over = place[0] in ended
        if is_over or _key(opened) in settled:
            del still[place]
        if is_over and _key(opened) not in present:
            _add((interrupted_row(opened.opened(), recorded_us=now_us),), rows, present)
    duplicates += _correct(still, rows, present)
    return Paired(rows, still, duplicates)


def _settle(settled: Settled, present: Row | None) -> tuple[Row, ...]:
    if present is None:
        return (settled_row(settled),)
    if present.outcome == _INTERRUPTED and settled.outcome is not Outcome.INTERRUPTED:
        return resettled_rows(present, settled)
    return ()


def _correct(still: dict[Place, OpenAttempt | Corrected], rows: list[Row], present: dict[AttemptKey, Row]) -> int:
    corrections = [(place, record) for place, record in still.items() if isinstance(record, Corrected)]
    duplicates = 0
    for place, corrected in sorted(corrections, key=lambda pair: pair[1].revision):
        row = present.get((corrected.call_id, corrected.attempt))
        if row is None or corrected.revision > row.revision + 1:
            continue
        del still[place]
        if corrected.revision <= row.revision:
            duplicates += 1
        else:
            _add(corrected_rows(row, corrected), rows, present)
    return duplicates


def _add(added: Sequence[Row], rows: list[Row], present: dict[AttemptKey, Row]) -> None:
    rows.extend(added)
    if added:
        present[added[-1].attempt_key] = added[-1]


def _keys_to_look_up(settled: Mapping[AttemptKey, Settled], still: Waiting, ended: Collection[str]) -> set[AttemptKey]:
    keys = set(settled)
    for place, record in still.items():
        if isinstance(record, Corrected):
            keys.add((record.call_id, record.attempt))
        elif place[0] in ended:
            keys.add(_key(record))
    return keys


def _key(record: OpenAttempt | Settled) -> AttemptKey:
    if isinstance(record, OpenAttempt):
        return record.call_id, record.attempt
    return record.facts.call_id, record.facts.attempt
