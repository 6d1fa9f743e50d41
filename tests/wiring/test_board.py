"""The board on which workers post."""

import os
import struct

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from bursar.console.fleet import Report, counters
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.gateway.state import Gateway
from bursar.upstream import ClientSettings, UpstreamClient
from bursar.wiring.board import Board, PostedFleet
from support.gateway import MemoryRecorder
from support.ledger_records import FixedClock
from support.snapshots import provider, snapshot_of

HALF = 1 << 20


@pytest.fixture
def board():
    """A board for two workers."""
    board = Board.create(2)
    yield board
    board.close()


@pytest.fixture
def start(tmp_path):
    """Starts gateways, one after the other in the same place."""
    loop = uvloop.new_event_loop()
    snapshot = snapshot_of(provider("openai", api_key="env:K"), tmp_path, environ={"K": "sk"})

    def start(name: str) -> Gateway:
        return Gateway(
            worker=name,
            snapshot=snapshot,
            recorder=MemoryRecorder(),
            client=UpstreamClient(loop, ClientSettings()),
            counters=MemoryCounters(MemoryBook(lease_us=1_000_000), name),
            clock=FixedClock(),
            loop=loop,
        )

    yield start
    loop.close()


def told(number: int, length: int = 10) -> Report:
    """A report that can be told from others."""
    return Report(f"w{number}", number, remarks=("x" * length, f"{number:040}"))


def test_empty(board):
    """Nobody has posted yet."""
    assert [] == board.read_all()
    assert board.read(1) is None


def test_each_has_a_place(board):
    """Reports do not get into each other's way."""
    for number in (2, 0, 1):
        board.post(number, told(number))

    assert [told(0), told(1), told(2)] == board.read_all()


cuts = st.none() | st.integers(0, 24) | st.floats(0, 0.9)
"""Where a writer is killed: nowhere, after so many bytes, after such a share of them."""


@given(st.lists(st.tuples(st.sampled_from([0, 1, 10, 5000]), cuts), max_size=12))
def test_the_newest_whole_report(posts):
    """However often writers are killed in the middle of a report, the newest whole one is read."""
    board = Board.create(1)
    expected = None
    try:
        for number, (length, cut) in enumerate(posts):
            if cut is not None:
                kill_while_posting(board, told(number, length), cut)
            else:
                expected = told(number, length)
                board.post(1, expected)

            assert expected == board.read(1)
    finally:
        board.close()


def kill_while_posting(board: Board, report: Report, cut: float) -> None:
    """Leave what a writer leaves that gets through with so many bytes of its report, or such a share."""
    whole = Board.create(1)
    before = [os.pread(board.places[1], HALF, offset) for offset in (0, HALF)]
    for half, content in enumerate(before):
        os.pwrite(whole.places[1], content, half * HALF)
    whole.post(1, report)
    for half, offset in enumerate((0, HALF)):
        frame = os.pread(whole.places[1], HALF, offset)
        if frame != before[half]:
            length = struct.calcsize("<QII") + struct.unpack_from("<QII", frame)[1]
            os.pwrite(board.places[1], frame[: cut if isinstance(cut, int) else int(length * cut)], offset)
    whole.close()


def test_too_long(board):
    """A report without end is refused, and the last one stays."""
    board.post(1, told(1))
    with pytest.raises(ValueError, match="exceeds"):
        board.post(1, Report("w1", 1, remarks=("x" * HALF,)))

    assert told(1) == board.read(1)


def total(fleet: PostedFleet, name: str) -> float:
    """A counter's sum over all reports."""
    return sum(
        sample.value
        for report in fleet.reports()
        for family in counters(report.families)
        for sample in family.samples
        if sample.name == name
    )


def test_counts_of_the_dead(board, start):
    """Who takes a dead worker's place counts on from what it posted last; gauges begin anew."""
    first, other = start("w1-a"), start("w2-a")
    first.counts.calls, other.counts.calls = 3, 5
    first.counts.outcome("success")
    first.connections.add(object())
    PostedFleet(board, 1, first).post()
    second = start("w1-b")
    fleets = PostedFleet(board, 1, second), PostedFleet(board, 2, other)
    second.counts.calls = 4
    second.counts.outcome("success")
    second.counts.outcome("error")
    for fleet in fleets:
        fleet.post()

    assert [12, 12] == [total(fleet, "bursar_calls_total") for fleet in fleets]
    assert 3 == total(fleets[1], "bursar_outcomes_total")
    gauges = [family for family in board.read(1).families if family.name == "bursar_client_connections"]
    assert [0] == [sample.value for family in gauges for sample in family.samples]
    assert ["w1-b", "w2-a"] == [report.worker for report in fleets[1].reports()]


def test_three_lives(board, start):
    """Nothing is counted twice over several restarts."""
    for name in "abc":
        gateway = start(f"w1-{name}")
        fleet = PostedFleet(board, 1, gateway)
        gateway.counts.calls = 2
        fleet.post()
        fleet.post()

    assert 6 == total(fleet, "bursar_calls_total")


def test_own_report_is_of_now(board, start):
    """The worker that is asked answers with what it knows at this moment."""
    gateway = start("w1-a")
    fleet = PostedFleet(board, 1, gateway)
    fleet.post()
    gateway.counts.calls = 7

    assert 7 == total(fleet, "bursar_calls_total")
