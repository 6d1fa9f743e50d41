"""Laws of server-sent event framing."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects import sse
from bursar.dialects.sse import SseParser, block_end, data_of

LINES = st.sampled_from(["data: a", "data:b", "data", ": note", "event: x", "id: 1", "data: c\N{SNOWMAN}", "", "retry"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda pairs: "".join(map("".join, pairs)).encode())


def payloads(chunks: list[bytes]) -> list[bytes]:
    parser = SseParser()
    found = [payload for chunk in chunks for payload in parser.feed(chunk)]
    return found + parser.close()


def by_the_book(stream: bytes) -> list[bytes]:
    """An event parser line by line, as the standard words it."""
    found, lines = [], []
    for line in [*re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        if not line:
            if lines:
                found.append(b"\n".join(lines))
            lines = []
        elif line == b"data":
            lines.append(b"")
        elif line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
    return found


def cut(stream: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=8))
def test_events_by_any_cut(stream, points):
    """Events are those of the standard, however the stream is cut and its lines end."""
    found = payloads(cut(stream, points))

    assert by_the_book(stream) == found


@given(STREAMS)
def test_events_byte_by_byte(stream):
    """Single bytes give the same events, with a byte order mark in front."""
    marked = b"\xef\xbb\xbf" + stream

    found = payloads([marked[i : i + 1] for i in range(len(marked))])

    assert by_the_book(stream) == found


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=5))
def test_arbitrary_bytes(stream, points):
    """Garbage is framed the same way for every cut, and never raises."""
    assert payloads([stream]) == payloads(cut(stream, points))


def test_unfinished_event():
    """An event that no blank line ended is given when the stream closes."""
    parser = SseParser()

    assert parser.feed(b"data: [DONE]") == []
    assert parser.close() == [b"[DONE]"]


def test_lone_carriage_return_waits():
    """A CR at the end of a chunk may be half of a CRLF and ends nothing yet."""
    assert block_end(b"data: a\r\n\r") == -1
    assert block_end(b"data: a\r\n\r\n") == 11
    assert block_end(b"data: a\r\r") == -1
    assert block_end(b"data: a\r\rd") == 9


@pytest.mark.parametrize("piece", [1000, 70_000, 10**7])
def test_oversized_event(monkeypatch, piece):
    """Of a huge event head and tail are kept, so JSON with one long string stays JSON."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 200_000)
    stream = b'data: {"b64_json":"' + b"A" * 1_000_000 + b'","usage":{"input_tokens":7}}\n\ndata: next\n\n'
    parser = SseParser()

    found = [payload for at in range(0, len(stream), piece) for payload in parser.feed(stream[at : at + piece])]

    assert found[0].startswith(b'{"b64_json":"AAAA')
    assert found[0].endswith(b'AA","usage":{"input_tokens":7}}')
    assert found[1:] == [b"next"]
    assert (piece < len(stream)) == parser.trimmed


def test_held_bytes_are_bounded(monkeypatch):
    """A stream that never ends an event holds no more than the limit."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 200_000)
    parser = SseParser()

    for _ in range(50):
        parser.feed(b"x" * 10_000)

    assert len(parser.close()) == 0
    assert parser.trimmed


def test_data_of_comment():
    """A comment has no payload."""
    assert data_of(b": OPENROUTER PROCESSING\n\n") is None
