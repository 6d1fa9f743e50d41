"""Pairing: what each record comes to, given what waits and what the ledger already holds."""

import pytest

from bursar.ledger.frames import encode, read_frames
from bursar.ledger.pairing import pair
from bursar.ledger.row import settled_row
from support.ledger_records import corrected, opened, settled


def read(*records, file="w"):
    """Records as the loader reads them, with their places."""
    frames = read_frames(b"".join(map(encode, records))).frames
    return [((file, frame.start), frame.record) for frame in frames]


def paired(records, *, waiting=None, ended=(), rows=()):
    """Pair against a ledger that holds these rows."""
    present = {row.attempt_key: row for row in rows}
    return pair(
        records,
        waiting or {},
        ended=ended,
        lookup=lambda keys: {key: present[key] for key in keys if key in present},
        now_us=1,
    )


def test_opened_waits():
    """An attempt in flight comes to nothing yet."""
    result = paired(read(opened(1)))

    assert (list(result.rows), list(result.waiting), result.duplicates) == ([], [("w", 0)], 0)


def test_settled_ends_the_wait():
    """A settlement comes to a row, and what waited for it no longer does."""
    first = paired(read(opened(1)))

    result = paired(read(settled(1), file="later"), waiting=first.waiting)

    assert (list(result.rows), dict(result.waiting)) == ([settled_row(settled(1))], {})


def test_dead_worker_interrupts():
    """Only the files of workers that ended interrupt their attempts."""
    records = read(opened(1), file="dead") + read(opened(2), file="alive")

    result = paired(records, ended={"dead"})

    assert [(row.call_id, row.outcome) for row in result.rows] == [("call-000001", "interrupted")]
    assert [place[0] for place in result.waiting] == ["alive"]


@pytest.mark.parametrize(("revision", "waits", "added", "duplicates"), [(1, 0, 2, 0), (2, 1, 0, 0), (0, 0, 0, 1)])
def test_revisions_follow_each_other(revision, waits, added, duplicates):
    """The next revision applies, one after it waits for the one between, an earlier one is a duplicate."""
    result = paired(read(corrected(1, revision=revision, cost=5, delta=-995)), rows=[settled_row(settled(1))])

    assert (len(result.waiting), len(result.rows), result.duplicates) == (waits, added, duplicates)


def test_duplicates():
    """A settlement that is there already, or twice in one batch, adds nothing and is counted."""
    result = paired(read(settled(1), settled(2), settled(2)), rows=[settled_row(settled(1))])

    assert ([row.call_id for row in result.rows], result.duplicates) == (["call-000002"], 2)
