"""Taps: bytes pass, memory is bounded, and readers get every byte once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.base import Reading
from bursar.dialects.taps import BATCH_BYTES, BODY_BYTES, BodyTap, StreamTap, is_success
from bursar.events import UsageStatus


class Collector:
    """A reader that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []

    def read(self, data: bytes) -> None:
        self.batches.append(data)

    def reading(self, *, complete: bool) -> Reading:
        return Reading(usage=None, status=UsageStatus.NONE, complete=complete)


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_stream_order(chunks: list[bytes]) -> None:
    """Every chunk is forwarded as the same object, and the reader gets the bytes in order."""
    reader = Collector()
    tap = StreamTap(reader)

    forwarded = [tap.feed(chunk) is chunk for chunk in chunks]
    tap.finish(complete=True)

    assert all(forwarded)
    assert b"".join(chunks) == b"".join(reader.batches)


def test_stream_memory() -> None:
    """A stream is handed over in batches, so that no more than one is ever held."""
    reader = Collector()
    tap = StreamTap(reader)
    chunk = bytes(1024)

    for _ in range(3 * BATCH_BYTES // len(chunk)):
        tap.feed(chunk)

    assert [len(batch) for batch in reader.batches] == [BATCH_BYTES] * 3


def test_body_too_large() -> None:
    """A body past the limit is forwarded, dropped, and its reading says so."""
    tap = BodyTap(lambda _body, *, complete: Reading(usage=None, status=UsageStatus.NONE, complete=complete))
    chunk = bytes(BODY_BYTES // 4)

    for _ in range(5):
        assert tap.feed(chunk) is chunk
    held = list(tap._held)
    reading = tap.finish(complete=True)

    assert held == []
    assert UsageStatus.MISSING is reading.status
    assert str(5 * len(chunk)) in reading.notes[0]


@pytest.mark.parametrize(("status", "expected"), [(200, True), (299, True), (199, False), (300, False), (500, False)])
def test_is_success(status: int, *, expected: bool) -> None:
    """Only 2xx answers can have been billed."""
    assert expected == is_success(status)
