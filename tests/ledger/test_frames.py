"""Frames: what is written is read back, and nothing else ever is."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.ledger.frames import HEADER, MAX_PAYLOAD_BYTES, VERSION, OpenAttempt, Stop, encode, read_frames
from support.ledger_records import corrected, opened, settled, settlements

RECORDS = (opened(1), settled(1), corrected(1, cost=5, delta=-995))


def whole_record(frame):
    """The record of a frame, decoded in full."""
    return frame.record.opened() if isinstance(frame.record, OpenAttempt) else frame.record


@given(st.lists(settlements(), max_size=5))
def test_round_trip(records):
    """Every record comes back, with the offsets it lies at."""
    data = b"".join(map(encode, records))

    read = read_frames(data, offset=7)

    assert [frame.record for frame in read.frames] == records
    assert (read.stop, read.end) == (Stop.END, 7 + len(data))
    assert [encode(frame.record) for frame in read.frames] == [
        data[frame.start - 7 : frame.end - 7] for frame in read.frames
    ]


def test_cut_anywhere():
    """A file cut at any byte yields exactly its whole frames and says that the last one is incomplete."""
    frames = list(map(encode, RECORDS))
    data = b"".join(frames)
    borders = [sum(map(len, frames[:count])) for count in range(len(frames) + 1)]

    for cut in range(len(data) + 1):
        whole = sum(1 for border in borders[1:] if border <= cut)
        read = read_frames(data[:cut])

        assert [whole_record(frame) for frame in read.frames] == list(RECORDS[:whole])
        assert (read.stop, read.end) == (Stop.END if cut in borders else Stop.INCOMPLETE, borders[whole])


def test_every_flipped_bit():
    """A flipped bit never changes a record: its frame, and all after it, are not read."""
    first, second = encode(RECORDS[1]), encode(RECORDS[2])

    for position in range(len(first) * 8):
        damaged = bytearray(first + second)
        damaged[position // 8] ^= 1 << position % 8
        read = read_frames(bytes(damaged))

        assert read.frames == ()
        assert read.stop in (Stop.DAMAGED, Stop.INCOMPLETE)


def test_zeros():
    """A hole of zeros, as a power cut leaves behind, is damage and no record."""
    assert read_frames(bytes(4096)).stop == Stop.DAMAGED


def test_length_beyond_all_records():
    """A length that no record has is damage, not a frame to wait for."""
    head = HEADER.pack(MAX_PAYLOAD_BYTES + 1, 0, VERSION, 0)

    assert read_frames(head).stop == Stop.DAMAGED


@pytest.mark.parametrize(("kind", "version"), [(0, VERSION + 1), (3, VERSION)])
def test_newer_version(kind, version):
    """A whole frame of a later version or of a kind still unknown is left for a later version to read."""
    frame = HEADER.pack(2, kind, version, zlib.crc32(bytes((kind, version)) + b"\x90\x90")) + b"\x90\x90"

    assert read_frames(encode(RECORDS[0]) + frame).stop == Stop.NEWER


def test_limit():
    """Reading stops cleanly after so many frames."""
    data = b"".join(map(encode, RECORDS))

    read = read_frames(data, limit=2)

    assert (len(read.frames), read.stop) == (2, Stop.END)


def test_layout_on_disk():
    """The header is little-endian: length, kind, version, checksum."""
    frame = encode(RECORDS[2])

    assert struct.unpack("<IBB", frame[:6]) == (len(frame) - HEADER.size, 2, VERSION)
