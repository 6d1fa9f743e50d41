"""The framing of AWS binary event streams, against botocore's."""

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from bursar.dialects.eventstream import Kind, Message, MessageParser, string_headers
from support.awsstream import message
from support.hostile import chunked

NAMES = st.sampled_from([":event-type", ":message-type", ":exception-type", "other"])
MESSAGES = st.lists(
    st.tuples(st.dictionaries(NAMES, st.text(max_size=20), max_size=4), st.binary(max_size=60)), max_size=5
)


def parse(body: bytes, size: int) -> tuple[list[Message], str | None]:
    parser = MessageParser()
    found = [one for at in range(0, len(body), size) for one in parser.feed(body[at : at + size])]
    return found, parser.problem


@given(MESSAGES, st.integers(1, 40))
def test_messages(messages: list[tuple[dict[str, str], bytes]], size: int) -> None:
    """Messages come out as botocore reads them, however the stream is cut."""
    body = b"".join(message(headers, payload) for headers, payload in messages)
    reference = EventStreamBuffer()
    reference.add_data(body)

    found, problem = parse(body, size)

    assert problem is None
    assert [one.payload for one in reference] == [one.payload for one in found]
    for (headers, _), one in zip(messages, found, strict=True):
        assert headers.get(":message-type", "event") == one.kind.message


@given(MESSAGES.filter(bool), st.data())
def test_messages_damaged(messages: list[tuple[dict[str, str], bytes]], data: st.DataObject) -> None:
    """One flipped bit is noticed, or leaves an unfinished message; what was read before it stands."""
    body = bytearray(b"".join(message(headers, payload) for headers, payload in messages))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    reference = EventStreamBuffer()
    reference.add_data(bytes(body))

    found, problem = parse(bytes(body), 1000)

    with pytest.raises(ParserError) if problem else pytest.raises(StopIteration):
        for expected in found:
            assert next(reference).payload == expected.payload
        next(reference)
    assert len(found) < len(messages)


@given(chunked())
def test_any_bytes(chunks: list[bytes]) -> None:
    """Arbitrary bytes never raise and read the same when they come at once."""
    parser, whole = MessageParser(), MessageParser()
    found = [one for piece in chunks for one in parser.feed(piece)]

    assert whole.feed(b"".join(chunks)) == found
    assert whole.problem == parser.problem


@given(st.binary(max_size=60))
def test_headers_any_bytes(block: bytes) -> None:
    """A malformed header block never raises."""
    assert all(isinstance(value, str) for value in string_headers(block).values())


def test_headers_other_types() -> None:
    """Headers of other types are stepped over."""
    numbers = b"\x01a\x04\x00\x00\x00\x07" + b"\x01b\x00" + b"\x01c\x09" + bytes(16) + b"\x01d\x06\x00\x02xy"

    assert string_headers(numbers + b"\x01z\x07\x00\x02ok") == {"z": "ok"}


def test_kind() -> None:
    """Exceptions and errors are told from events."""
    body = message({":message-type": "exception", ":exception-type": "throttlingException"}, b"") + message(
        {":message-type": "error", ":error-code": "InternalFailure"}, b""
    )

    kinds = [one.kind for one in parse(body, 1000)[0]]

    assert [Kind("exception", "throttlingException"), Kind("error", "InternalFailure")] == kinds


def test_many_kinds() -> None:
    """However many different headers a stream has, each message is told by its own, and few are remembered."""
    body = b"".join(message({":event-type": f"e{number}"}, b"") for number in range(200))
    parser = MessageParser()

    found = parser.feed(body)

    assert [f"e{number}" for number in range(200)] == [one.kind.name for one in found]
    assert len(parser._kinds) < 200


def test_headers_too_long() -> None:
    """Headers beyond the format's limit are refused as botocore refuses them."""
    value = "x" * 60_000
    body = message({"a": value, "b": value, "c": value}, b"")

    found, problem = parse(body, len(body))

    assert found == []
    assert problem is not None
    assert "out of bounds" in problem
