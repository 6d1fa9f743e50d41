"""One answer from bytes: against h11, in any pieces, with every smuggling trick we know."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bursar.upstream.framing import ResponseReader
from support.answers import LIMIT, answers, read, read_with_h11, split


def comparable(reading):
    """Without what h11 normalises and the wording of faults: the coding's case."""
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in reading.headers]
    return reading._replace(headers=headers, fault=bool(reading.fault))


METHODS = st.sampled_from([b"POST", b"POST", b"GET", b"HEAD"])


@given(answers(), METHODS)
def test_well_formed_answers_against_h11(data, method):
    """What is well formed means to us what it means to h11, in every field."""
    ours, theirs = read([data], method=method), read_with_h11(data, method=method)

    assert comparable(ours) == comparable(theirs)


@given(answers(), METHODS, st.data())
def test_answers_in_pieces(data, method, draw):
    """How the network cuts an answer does not change what it means."""
    pieces = draw.draw(split(data))

    assert read(pieces, method=method) == read([data], method=method)


@given(answers(), METHODS)
def test_answers_byte_by_byte(data, method):
    """Not even a byte at a time."""
    pieces = [data[at : at + 1] for at in range(len(data))]

    assert read(pieces, method=method) == read([data], method=method)


@st.composite
def mutations(draw):
    """An answer with a few bytes deleted, doubled, overwritten or slipped in."""
    data = bytearray(draw(answers()))
    tricks = st.sampled_from([b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b"0", b"\r\n", b"\r\n ", b"\x7f", b"\x01"])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        width = draw(st.integers(0, 2))
        data[at : at + width] = draw(st.one_of(tricks, st.just(bytes(data[at : at + 4])), st.just(b"")))
    return bytes(data)


@given(mutations(), METHODS)
def test_mutated_answers_against_h11(data, method):
    """Whatever we accept in full, h11 accepts as the same answer: we are only ever stricter.

    The two known exceptions are harmless and excluded: white space before a chunk extension, which RFC 9112 §7.1.1 has
    recipients remove, and persistence of HTTP/1.0, which h11 does not offer.
    """
    assume(not re.search(rb"[0-9A-Fa-f][ \t]+;", data))
    ours = read([data], method=method)
    assume(ours.is_complete)
    theirs = read_with_h11(data, method=method)

    assert comparable(ours)._replace(is_reusable=False) == comparable(theirs)._replace(is_reusable=False)
    assert theirs.is_reusable or not ours.is_reusable or b"HTTP/1.0" in data


@given(mutations(), METHODS, st.data())
def test_mutated_answers_in_pieces(data, method, draw):
    """A broken answer is broken alike in any pieces, and the good bytes before the fault are the same."""
    pieces = draw.draw(split(data))
    whole, parts = read([data], method=method), read(pieces, method=method)

    assert parts._replace(fault=bool(parts.fault)) == whole._replace(fault=bool(whole.fault))


@given(st.binary(max_size=200), st.data())
def test_arbitrary_bytes(data, draw):
    """Bytes that are not HTTP at all are a fault or an incomplete answer, never an exception."""
    reading = read(draw.draw(split(data)))

    assert not reading.is_complete


SMUGGLING = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    # h11 lets equal repeats pass; like nginx and llhttp we do not: nothing sane sends them.
    "one length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
    "spaced length": b"HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\nhello hello!",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "length past 64 bits": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "other coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "coding before chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding after chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "not quite chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a vertical tab": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked over 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "folded first field": b"HTTP/1.1 200 OK\r\n A: 1\r\nContent-Length: 0\r\n\r\n",
    "folded coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    "quote in a name": b'HTTP/1.1 200 OK\r\nA"b: 1\r\nContent-Length: 0\r\n\r\n',
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\nContent-Length: 0\r\n\r\n",
    "bare LF after a value": b"HTTP/1.1 200 OK\r\nA: 1\nContent-Length: 0\r\n\r\n",
    "bare LF after the status": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "only bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 preface": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>an answer without a head</html>",
    "version 1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower-case protocol": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "other protocol": b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "empty line first": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two-digit status": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "four-digit status": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "switching without saying": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "broken interim head": b"HTTP/1.1 100 Continue\r\nA : 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

SMUGGLING_CHUNKS = {
    "signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "prefixed size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "underscored size": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "size past 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "shorter than its size": b"6\r\nhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "bare CR after the data": b"5\r\nhello\r0\r\n\r\n",
    "folded trailer": b"0\r\nA: 1\r\n 2\r\n\r\n",
    "NUL in a trailer": b"0\r\nA: \0\r\n\r\n",
    "trailer without colon": b"0\r\nnonsense\r\n\r\n",
    "bare LF in a trailer": b"0\r\nA: 1\nB: 2\r\n\r\n",
    "extension past the limit": b"5;" + b"a" * 4096 + b"\r\nhello\r\n0\r\n\r\n",
    "trailers past the limit": b"0\r\nA: " + b"a" * LIMIT + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING)
def test_smuggling_heads(data):
    """A head that two readers could understand differently is refused, whole or byte by byte."""
    whole, bytewise = read([data]), read(data[at : at + 1] for at in range(len(data)))

    assert (whole.status, whole.is_complete, whole.is_reusable) == (None, False, False)
    assert whole.fault
    assert bytewise.fault
    assert bytewise.status is None


@pytest.mark.parametrize("chunks", SMUGGLING_CHUNKS.values(), ids=SMUGGLING_CHUNKS)
def test_smuggling_chunks(chunks):
    """So is chunking that two readers could understand differently."""
    data = _CHUNKED + chunks
    whole, bytewise = read([data]), read(data[at : at + 1] for at in range(len(data)))

    assert (whole.status, whole.is_complete, whole.is_reusable) == (200, False, False)
    assert whole.fault
    assert bytewise == whole


@pytest.mark.parametrize(
    "pieces",
    [
        [b"S"],
        [b"HTTP/1.1 200 OK\n"],
        [b"HTTP/1.1 200 OK\r", b"A: b"],
        [b"HTTP/1.1 100 Continue\r\n", b"\r\nHTTP/1.1 200 OK\nA: b"],
    ],
)
def test_early_refusal(pieces):
    """What can no longer become a head is refused when it is seen, not when its end fails to come."""
    assert read(pieces).fault == "the answer does not begin with an HTTP/1 head"


def test_good_bytes_before_a_fault():
    """Body bytes that arrive together with broken framing are still given back."""
    assert read([_CHUNKED + b"5\r\nhello\r\nnonsense"]).body == b"hello"


@pytest.mark.parametrize("surplus", [b"\r\n", b"x", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        _CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
        _CHUNKED + b"0\r\nA: b\r\n\r\n",
    ],
)
def test_bytes_after_the_end(answer, surplus):
    """The answer stands, but its connection is not used again."""
    clean, dirty = read([answer]), read([answer + surplus])

    assert clean.is_reusable
    assert dirty == clean._replace(is_reusable=False)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_head_limit(size):
    """A head of exactly the limit passes, one byte more does not, in any pieces; interim heads count."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    start, end = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ", b"\r\n\r\n"
    data = interim + start + b"a" * (size - len(interim) - len(start) - len(end)) + end
    readings = [read([data]), read([data[:100], data[100:-1], data[-1:]]), read([data[:-2], data[-2:]])]

    assert [reading.is_complete for reading in readings] == [size <= LIMIT] * 3


def test_endless_head():
    """A head that never ends is refused once it reaches the limit, not when memory does."""
    reading = read([b"HTTP/1.1 200 OK\r\nA: ", *[b"a" * 1024] * 64])

    assert reading.fault == "the answer's head is larger than 65536 bytes"


def test_connect_answer():
    """A proxy's 2xx to CONNECT has no body, whatever its fields say (RFC 9110 §9.3.6)."""
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], method=b"CONNECT").is_complete


@pytest.mark.parametrize(
    ("head", "is_reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: foo , CLOSE\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_persistence(head, is_reusable):
    """RFC 9112 §9.3: close wins, 1.1 persists by default, 1.0 only when it says so."""
    assert read([head + b"Content-Length: 0\r\n\r\n"]).is_reusable == is_reusable


@given(st.lists(st.binary(min_size=1, max_size=300) | st.just(b"\r\n") | st.just(b"c8\r\n"), max_size=5), st.data())
def test_one_chunk_a_read(parts, data):
    """A chunk that comes alone in a read, as streams bring them, is read like one that comes byte by byte."""
    spell = data.draw(st.sampled_from([b"%x\r\n%b\r\n", b"%X\r\n%b\r\n", b"0%x\r\n%b\r\n", b"%x;a=b\r\n%b\r\n"]))
    reads = [_CHUNKED, *(spell % (len(part), part) for part in parts), b"0\r\n\r\n"]
    whole, cut = ResponseReader(b"POST", 65536), ResponseReader(b"POST", 65536)
    taken = [whole.feed(one) for one in reads]
    body = b"".join([cut.feed(bytes((byte,))) for byte in b"".join(reads)])

    assert ([b"", *parts, b""], b"".join(parts)) == (taken, body)
    assert whole.ended
    assert cut.ended


def test_size_line_that_lies():
    """A read that ends like a chunk but is longer than its size is not taken for one."""
    reader = ResponseReader(b"POST", 65536)
    reader.feed(_CHUNKED)
    reader.feed(b"2\r\nabc\r\n")

    assert reader.fault is not None
