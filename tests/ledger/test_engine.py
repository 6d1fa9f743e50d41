"""The ledger as a whole: every record becomes exactly one row, whatever dies, is copied, or comes in which order."""

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.errors import LedgerUnavailable
from bursar.events import Outcome, PriceStatus
from bursar.ledger.frames import encode, read_frames
from bursar.ledger.loader import LEAST_READ_BYTES, Loader
from bursar.ledger.questions import (
    CandidatesQuestion,
    ExplainQuestion,
    HealthQuestion,
    NewestQuestion,
    ReportQuestion,
    SummaryQuestion,
)
from bursar.ledger.spool import Spool
from support.crash import Crash, DieAt
from support.ledger_records import (
    DAY_US,
    SETTINGS,
    START_US,
    FixedClock,
    corrected,
    facts,
    open_ledger,
    opened,
    settled,
    settlements,
    totals_of,
    truth_of,
    unpriced,
    write_spool,
)


def story(data_dir):
    """Spools of three dead workers: retries, an interruption, corrections, two days, a late record, a torn end."""
    write_spool(data_dir, "one", [opened(1), settled(1), opened(2), opened(3), unpriced(3)])
    write_spool(data_dir, "one", [opened(4), settled(4), settled(2)], sequence=2)
    tomorrow = facts(5, at_us=START_US + DAY_US)
    torn = write_spool(data_dir, "two", [opened(6), opened(5), settled(about=tomorrow), opened(7, 1), opened(7, 2)])
    torn.write_bytes(torn.read_bytes() + encode(settled(7, 1)) + encode(settled(7, 2))[:-1])
    write_spool(data_dir, "cli", [corrected(3, cost=700, delta=700), corrected(1, cost=900, delta=-100)])


STORY = [
    ("call-000001", 1, "success", "priced", 900),
    ("call-000002", 1, "success", "priced", 1000),
    ("call-000003", 1, "success", "priced", 700),
    ("call-000004", 1, "success", "priced", 1000),
    ("call-000006", 1, "interrupted", "unpriced", None),
    ("call-000007", 1, "success", "priced", 1000),
    ("call-000007", 2, "interrupted", "unpriced", None),
    ("call-000005", 1, "success", "priced", 1000),
]


def test_story(tmp_path):
    """Each attempt has one truth: settled, corrected or interrupted; sums by rows and by the hour agree."""
    story(tmp_path)
    with open_ledger(tmp_path) as ledger:
        total = totals_of(ledger)
        health = ledger.ask(HealthQuestion())

        assert [row[:5] for row in truth_of(ledger)] == STORY
    assert (total.requests, total.attempts, total.cost) == (7, 8, 5600)
    assert (total.unpriced_requests, total.interrupted_requests, total.interrupted_bound) == (2, 2, 18_000)
    assert (health.unread_bytes, health.in_flight, health.waiting_corrections, health.spool_files) == (0, 0, 0, 0)
    assert len(health.damage) == 1
    assert list((tmp_path / "spool").iterdir()) == []


def test_any_crash_point(tmp_path):
    """Dying between any two steps of loading loses nothing and doubles nothing."""
    with open_ledger(tmp_path / "whole") as ledger:
        story(tmp_path / "whole")
        ledger.load()
        expected = truth_of(ledger), totals_of(ledger)
    survived = 0
    while True:
        data_dir = tmp_path / str(survived)
        story(data_dir)
        try:
            with open_ledger(data_dir, step=DieAt(survived)) as ledger:
                ledger.load()
            break
        except Crash:
            survived += 1
        with open_ledger(data_dir) as reopened:
            assert (truth_of(reopened), totals_of(reopened)) == expected
    assert survived > 15


def test_crash_again_and_again(tmp_path):
    """A process that dies a step later each time still ends with every record once."""
    story(tmp_path)
    for survived in range(30):
        with suppress(Crash), open_ledger(tmp_path, step=DieAt(survived)) as ledger:
            ledger.load()
    with open_ledger(tmp_path) as ledger:
        assert [row[:5] for row in truth_of(ledger)] == STORY
        assert totals_of(ledger).attempts == 8


def test_index_is_rebuilt(tmp_path):
    """A deleted, damaged or foreign index is rebuilt from the segments and answers the same."""
    story(tmp_path)
    with open_ledger(tmp_path) as ledger:
        expected = truth_of(ledger), totals_of(ledger)
    index = tmp_path / "index.duckdb"
    with open_ledger(tmp_path / "other") as other:
        write_spool(tmp_path / "other", "w", [settled(99)])
        other.load()
    foreign = (tmp_path / "other" / "index.duckdb").read_bytes()
    for content in (None, b"not a database", foreign):
        index.unlink()
        if content is not None:
            index.write_bytes(content)
        with open_ledger(tmp_path) as ledger:
            assert (truth_of(ledger), totals_of(ledger)) == expected


def test_index_left_behind(tmp_path):
    """An index restored from an older backup catches up with the segments."""
    write_spool(tmp_path, "a", [settled(1)])
    with open_ledger(tmp_path) as ledger:
        ledger.load()
    shutil.copy(tmp_path / "index.duckdb", tmp_path / "backup")
    write_spool(tmp_path, "b", [settled(2)])
    with open_ledger(tmp_path) as ledger:
        ledger.load()
    shutil.copy(tmp_path / "backup", tmp_path / "index.duckdb")

    with open_ledger(tmp_path) as ledger:
        assert totals_of(ledger).requests == 2


def test_copied_spool(tmp_path):
    """A spool file that is copied or restored adds nothing, and the ledger says how much came twice."""
    path = write_spool(tmp_path, "w", [opened(1), settled(1), opened(2)])
    content = path.read_bytes()
    with open_ledger(tmp_path) as ledger:
        ledger.load()
        (tmp_path / "spool" / "copy.000001.spool").write_bytes(content)
        ledger.load()

        assert [row[2] for row in truth_of(ledger)] == ["success", "interrupted"]
        assert ledger.ask(HealthQuestion()).duplicates == 1


def test_late_settlement(tmp_path):
    """A settlement that turns up after its attempt was taken for interrupted replaces the unknown by the truth."""
    write_spool(tmp_path, "w", [opened(1)])
    with open_ledger(tmp_path) as ledger:
        ledger.load()
        before = totals_of(ledger)
        write_spool(tmp_path, "restored", [settled(1)])
        ledger.load()
        after = totals_of(ledger)

        explained = ledger.ask(ExplainQuestion(call_id="call-000001"))
    assert (before.cost, before.interrupted_requests, before.unpriced_requests) == (None, 1, 1)
    assert (after.cost, after.interrupted_requests, after.unpriced_requests, after.requests) == (1000, 0, 0, 1)
    assert [row.kind for row in explained.rows] == ["attempt", "reversal", "restatement"]
    assert [row.outcome for row in explained.present] == ["success"]


def test_living_worker(tmp_path):
    """What a living worker has opened is in flight, not interrupted, also after a restart of the ledger."""
    with Spool(tmp_path / "spool", "gateway", max_bytes=300) as spool:
        spool.append(opened(1))
        spool.append(opened(2))
        with open_ledger(tmp_path) as ledger:
            in_flight = ledger.ask(ExplainQuestion(call_id="call-000001")).in_flight
        spool.append(settled(2))
        with open_ledger(tmp_path) as ledger:
            assert [row[0] for row in truth_of(ledger)] == ["call-000002"]
            assert ledger.ask(HealthQuestion()).in_flight == 1
            spool.append(settled(1))
            assert [row[2] for row in truth_of(ledger)] == ["success", "success"]
    assert in_flight == (1,)


def test_backlog_in_order_of_time(tmp_path):
    """A long backlog is read file after file and worker beside worker, and all of it arrives."""
    for worker in ("one", "two"):
        for day in range(3):
            about = (facts(n, call_id=f"{worker}-{day}-{n}", at_us=START_US + day * DAY_US) for n in range(400))
            write_spool(tmp_path, worker, [settled(about=one) for one in about], sequence=day)
    with open_ledger(tmp_path) as ledger:
        loader = Loader(ledger._segments, ledger._store, clock=FixedClock(), read_bytes=LEAST_READ_BYTES)
        loader.load(max_passes=1)
        first = {row.group: row.measures.requests for row in ledger._store.report(ReportQuestion(by=("day",))).rows}
        loader.load()

        assert totals_of(ledger).requests == 2400
    assert list(first) == [("2026-11-01",)]
    assert first["2026-11-01",] < 800


def test_dead_worker(tmp_path):
    """Once a worker is gone, what it left open is interrupted and its files go."""
    spool = Spool(tmp_path / "spool", "gateway", max_bytes=300)
    spool.append(opened(1))
    with open_ledger(tmp_path) as ledger:
        ledger.load()
        spool.close()
        ledger.load()

        assert [row[2] for row in truth_of(ledger)] == ["interrupted"]
    assert list((tmp_path / "spool").iterdir()) == []


def test_correction_before_its_row(tmp_path):
    """A correction that is read before the row it corrects waits for it, also over a restart."""
    write_spool(tmp_path, "cli", [corrected(1, revision=2, cost=3, delta=1), corrected(1, cost=2, delta=-998)])
    with open_ledger(tmp_path) as ledger:
        assert ledger.ask(HealthQuestion()).waiting_corrections == 2
    write_spool(tmp_path, "w", [settled(1)])
    with open_ledger(tmp_path) as ledger:
        assert ledger.ask(HealthQuestion()).waiting_corrections == 0
        assert [row[4] for row in truth_of(ledger)] == [3]
    assert list((tmp_path / "spool").iterdir()) == []


def test_correction_to_unknown(tmp_path):
    """A price that is withdrawn makes the cost unknown again, never zero."""
    write_spool(tmp_path, "w", [settled(1), corrected(1, cost=None, delta=-1000)])
    with open_ledger(tmp_path) as ledger:
        total = totals_of(ledger)

    assert (total.cost, total.unpriced_requests, total.requests) == (None, 1, 1)


def test_correction_moves_between_groups(tmp_path):
    """Grouped by price status, a repriced attempt is in its new group alone."""
    write_spool(tmp_path, "w", [unpriced(1), settled(2), corrected(1, cost=5, delta=5)])
    with open_ledger(tmp_path) as ledger:
        report = ledger.ask(ReportQuestion(by=("price_status",)))

    assert [(row.group, row.measures.requests, row.measures.cost) for row in report.rows] == [(("priced",), 2, 1005)]


@given(
    st.lists(settlements(), max_size=12),
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
    st.randoms(use_true_random=False),
)
@settings(max_examples=15, deadline=None)
def test_order_free_and_idempotent(records, workers, random):
    """However records are spread over workers, ordered and repeated, the same rows come of them.

    Where two different settlements claim one attempt the first one read counts, so here each attempt has one.
    """
    unique = list({(one.facts.call_id, one.facts.attempt): one for one in records}.values())
    with TemporaryDirectory() as folder:
        plain, spread = Path(folder, "plain"), Path(folder, "spread")
        write_spool(plain, "w", unique)
        shuffled = [*unique, *unique]
        random.shuffle(shuffled)
        for position, one in enumerate(shuffled):
            write_spool(spread, f"w{workers[position % 12]}", [one], sequence=position)
        with open_ledger(plain) as first, open_ledger(spread) as second:
            assert truth_of(first) == truth_of(second)
            assert totals_of(first) == totals_of(second)
            assert second.ask(HealthQuestion()).duplicates == len(unique)


def test_cut_spool_at_every_frame_byte(tmp_path):
    """A dead worker's file cut at any byte yields exactly the rows of its whole frames; the rest is put aside."""
    frames = [encode(settled(1)), encode(settled(2))]
    data = b"".join(frames)
    for cut in range(0, len(data), 61):
        data_dir = tmp_path / str(cut)
        write_spool(data_dir, "w", []).write_bytes(data[:cut])
        with open_ledger(data_dir) as ledger:
            ledger.load()
            whole = len(read_frames(data[:cut]).frames)

            assert len(truth_of(ledger)) == whole
        rest = cut - sum(map(len, frames[:whole]))
        kept = [path.stat().st_size for path in (data_dir / "quarantine").glob("*")]
        assert kept == ([rest] if rest else [])


def test_damage_in_the_middle(tmp_path):
    """After a damaged record nothing of that file is guessed at: the rest is kept aside and reported."""
    first, second, third = (encode(settled(call)) for call in (1, 2, 3))
    flipped = bytearray(second)
    flipped[40] ^= 1
    write_spool(tmp_path, "w", []).write_bytes(first + flipped + third)
    write_spool(tmp_path, "x", [settled(4)])
    with open_ledger(tmp_path) as ledger:
        health = ledger.ask(HealthQuestion())

        assert [row[0] for row in truth_of(ledger)] == ["call-000001", "call-000004"]
    assert "damaged" in health.damage[0]
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.read_bytes() == bytes(flipped) + third


def test_row_that_fits_no_column(tmp_path):
    """One impossible record is put aside and does not hold up the others."""
    write_spool(
        tmp_path,
        "w",
        [settled(1), settled(2, cost=2**63), settled(about=facts(3, at_us=2**62)), settled(4, usage=((77, 1),))],
    )
    with open_ledger(tmp_path) as ledger:
        health = ledger.ask(HealthQuestion())

        assert [row[0] for row in truth_of(ledger)] == ["call-000001"]
    assert len(health.damage) == len(list((tmp_path / "quarantine").iterdir())) == 3


def test_lost_manifest(tmp_path):
    """Segments without their manifest are not guessed at."""
    write_spool(tmp_path, "w", [settled(1)])
    with open_ledger(tmp_path) as ledger:
        ledger.load()
    (tmp_path / "manifest.json").unlink()

    with pytest.raises(LedgerUnavailable, match="restore"):
        open_ledger(tmp_path)


def test_second_owner(tmp_path):
    """A second owner is refused and told who holds the ledger."""
    with open_ledger(tmp_path), pytest.raises(LedgerUnavailable, match="in use by process"):
        open_ledger(tmp_path)


def test_newest_and_candidates(tmp_path):
    """Newest rows come first; candidates come page by page, present rows only."""
    write_spool(tmp_path, "w", [settled(call) for call in range(1, 6)] + [corrected(2, cost=5, delta=-995)])
    with open_ledger(tmp_path) as ledger:
        newest = ledger.ask(NewestQuestion(limit=2, filters=(("team", "search"),)))
        pages, after = [], None
        while page := ledger.ask(CandidatesQuestion(limit=2, after=after)).rows:
            pages.append([(row.call_id, row.cost) for row in page])
            after = (page[-1].at_us, page[-1].call_id, page[-1].attempt)

    assert [row.call_id for row in newest.rows] == ["call-000005", "call-000004"]
    assert pages == [
        [("call-000001", 1000), ("call-000002", 5)],
        [("call-000003", 1000), ("call-000004", 1000)],
        [("call-000005", 1000)],
    ]


def test_explain(tmp_path):
    """Everything about one call comes back as it was stated; the provider's own id of any answer finds all of it."""
    write_spool(tmp_path, "w", [settled(1, outcome=Outcome.ERROR), settled(1, 2, price_status=PriceStatus.FREE)])
    with open_ledger(tmp_path) as ledger:
        rows = ledger.ask(ExplainQuestion(call_id="call-000001")).present
        by_response = ledger.ask(ExplainQuestion(call_id="resp-1-2")).rows
        nothing = ledger.ask(ExplainQuestion(call_id="call-000009"))

    assert [(row.attempt, row.outcome, row.price_status) for row in rows] == [
        (1, "error", "priced"),
        (2, "success", "free"),
    ]
    assert rows[0].tags == {"agent": "a1", "feature": "answers", "user": "u1"}
    assert rows[0].usage == {"input_text": 3, "output_text": 1}
    assert rows[0].lines == settled(1).lines
    assert rows[0].decisions == ("key key-1 allowed",)
    assert (rows[0].at_us, rows[0].recorded_us, rows[0].bound) == (START_US + 1_000_000, START_US + 1_000_040, 9_000)
    assert by_response == rows
    assert nothing.rows == ()


def test_explain_retrieved_response(tmp_path):
    """A response that is retrieved later is explained by the call that made it."""
    made, retrieved = settled(1, response_id="resp-x"), settled(2, response_id="resp-x")
    write_spool(tmp_path, "w", [retrieved, made])
    with open_ledger(tmp_path) as ledger:
        rows = ledger.ask(ExplainQuestion(call_id="resp-x")).rows

    assert ["call-000001"] == [row.call_id for row in rows]


def test_summary(tmp_path):
    """The first page's figures: today, the week by day and by team, and the newest requests."""
    write_spool(tmp_path, "w", [settled(1), settled(about=facts(2, at_us=START_US - DAY_US)), unpriced(3)])
    with open_ledger(tmp_path) as ledger:
        summary = ledger.ask(SummaryQuestion(now_us=START_US + 5))

    assert (summary.today.requests, summary.today.cost, summary.today.unpriced_requests) == (2, 1000, 1)
    assert summary.week.cost == 2000
    assert [row.group for row in summary.by_day] == [("2026-10-31",), ("2026-11-01",)]
    assert [row.group for row in summary.by_team] == [("search",)]
    assert len(summary.newest) == 3


def test_small_index_memory(tmp_path):
    """The ledger opens with the least memory that can be configured."""
    with open_ledger(tmp_path, settings=type(SETTINGS)(memory_limit_mb=64)) as ledger:
        write_spool(tmp_path, "w", [settled(call) for call in range(500)])

        assert ledger.load() == 500
