"""Compaction and retention: fewer files and fewer days, the same truth, whenever the process dies."""

import shutil

import pytest
from msgspec import structs

from bursar.ledger.layout import day_of
from bursar.ledger.maintenance import FAN_IN, PAST_DAY_ROWS, mergeable
from bursar.ledger.manifest import Manifest, SegmentEntry
from bursar.ledger.questions import HealthQuestion, ReportQuestion
from support.crash import Crash, DieAt
from support.ledger_records import (
    DAY_US,
    SETTINGS,
    START_US,
    facts,
    open_ledger,
    settled,
    totals_of,
    truth_of,
    write_spool,
)

TODAY = day_of(START_US)


def entries(*rows, day=TODAY):
    """Live segments with these numbers of rows."""
    return tuple(SegmentEntry(name=f"{day}/{n}", day=day, rows=count) for n, count in enumerate(rows))


def fill(data_dir, count, *, first=0, at_us=START_US):
    """Load so many attempts, each in a segment of its own."""
    with open_ledger(data_dir) as ledger:
        for n in range(first, first + count):
            write_spool(data_dir, f"w{n}", [settled(about=facts(n, at_us=at_us + n))])
            ledger.load()


@pytest.mark.parametrize(
    ("rows", "merged"),
    [
        ((1,) * (FAN_IN - 1), 0),
        ((1,) * FAN_IN, FAN_IN),
        ((1,) * 3 + (1000,) * FAN_IN, FAN_IN),
        ((1,) * 15 + (20,) * 15 + (300,) * 15, 0),
        ((10_000,) * 50, 0),
    ],
)
def test_tiers_of_today(rows, merged):
    """Today, segments are merged with others of their size, and left alone once they are large enough."""
    groups = list(mergeable(Manifest(segments=entries(*rows)), today=TODAY, segment_rows=10_000))

    assert sum(map(len, groups)) == merged


@pytest.mark.parametrize(
    ("rows", "merged"),
    [((5,), 0), ((5, 6), 2), ((PAST_DAY_ROWS, 5), 0), ((PAST_DAY_ROWS // 2 - 1,) * 3, 2)],
)
def test_past_days(rows, merged):
    """A day that is over ends in few large segments."""
    groups = list(mergeable(Manifest(segments=entries(*rows)), today="2026-11-02", segment_rows=10_000))

    assert sum(map(len, groups)) == merged


def test_compaction_changes_nothing(tmp_path):
    """A merge leaves one sorted segment with the same rows, and an index that is rebuilt from it agrees."""
    fill(tmp_path, FAN_IN)
    with open_ledger(tmp_path) as ledger:
        before = truth_of(ledger), totals_of(ledger)
        while ledger.tend():
            pass
        after = truth_of(ledger), totals_of(ledger)
        segments = ledger.ask(HealthQuestion()).segments
    (tmp_path / "index.duckdb").unlink()
    with open_ledger(tmp_path) as rebuilt:
        assert (truth_of(rebuilt), totals_of(rebuilt)) == before
    assert (before, segments) == (after, 1)
    assert len(list((tmp_path / "segments").rglob("*.parquet"))) == 1


def test_crash_while_compacting(tmp_path):
    """Dying between any two steps of a merge changes no row."""
    fill(tmp_path / "filled", FAN_IN)
    with open_ledger(tmp_path / "filled") as ledger:
        expected = truth_of(ledger), totals_of(ledger)
    survived = 0
    while True:
        data_dir = tmp_path / f"copy-{survived}"
        shutil.copytree(tmp_path / "filled", data_dir)
        try:
            with open_ledger(data_dir, step=DieAt(survived)) as ledger:
                ledger.tend()
            break
        except Crash:
            survived += 1 if survived < 8 else 7  # past the merge itself, only old files are removed
        with open_ledger(data_dir) as ledger:
            assert (truth_of(ledger), totals_of(ledger)) == expected
            ledger.tend()
            assert (truth_of(ledger), totals_of(ledger)) == expected
            assert ledger.ask(HealthQuestion()).segments == 1
    assert survived > 5


def test_retention(tmp_path):
    """Old days lose their rows and keep their sums, in this index and in one that is rebuilt."""
    fill(tmp_path, 2)
    fill(tmp_path, 2, first=10, at_us=START_US + 3 * DAY_US)
    keep = structs.replace(SETTINGS, retention_days=2)
    with open_ledger(tmp_path, settings=keep, now_us=START_US + 3 * DAY_US) as ledger:
        before = ledger.ask(ReportQuestion(by=("day",)))
        while ledger.tend():
            pass
        after = ledger.ask(ReportQuestion(by=("day",)))
        attempts = len(truth_of(ledger))
    (tmp_path / "index.duckdb").unlink()
    with open_ledger(tmp_path, settings=keep) as rebuilt:
        assert rebuilt.ask(ReportQuestion(by=("day",))) == before
        assert rebuilt.ask(ReportQuestion(by=("user",))).lacks_before_us == START_US + DAY_US
    assert (after, attempts) == (before, 2)
    assert not (tmp_path / "segments" / f"day={TODAY}").exists()


def test_crash_while_dropping(tmp_path):
    """Dying between any two steps of retention loses no sum."""
    fill(tmp_path / "filled", 2)
    fill(tmp_path / "filled", 1, first=10, at_us=START_US + DAY_US)
    survived = 0
    while True:
        data_dir = tmp_path / f"copy-{survived}"
        shutil.copytree(tmp_path / "filled", data_dir)
        try:
            with open_ledger(data_dir, step=DieAt(survived)) as ledger:
                ledger.drop_before(day_of(START_US + DAY_US))
            break
        except Crash:
            survived += 1
        with open_ledger(data_dir) as ledger:
            ledger.drop_before(day_of(START_US + DAY_US))
            assert ledger.ask(ReportQuestion()).total.cost == 3000
            assert len(truth_of(ledger)) == 1
    assert survived > 5


def test_record_after_its_day_was_dropped(tmp_path):
    """What comes after its day was dropped could have been counted already: it is refused and said."""
    fill(tmp_path, 1)
    with open_ledger(tmp_path) as ledger:
        ledger.drop_before(day_of(START_US + DAY_US))
        write_spool(tmp_path, "copy", [settled(about=facts(0, at_us=START_US))])

        assert ledger.ask(ReportQuestion()).total.requests == 1
        assert ledger.ask(HealthQuestion()).expired == 1
