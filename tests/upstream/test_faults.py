"""Everything a provider or its network can do wrong, over real loopback connections."""

import asyncio
import socket
import struct

import pytest

from bursar.upstream import FailureKind, Origin, Timeouts
from support.exchanges import (
    OK,
    Recorder,
    a_client,
    a_provider,
    always,
    fetch,
    forever,
    read_request,
    request,
    run,
    silent,
    start,
    until,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

BRIEF = Timeouts(connect_s=20.0, first_byte_s=0.05, idle_s=20.0)
BRIEF_IDLE = Timeouts(connect_s=20.0, first_byte_s=20.0, idle_s=0.05)


def reset(writer):
    """Close with a TCP reset rather than a FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


BROKEN_AT = {
    "before the head": (b"", 0, False, "before any answer"),
    "inside the head": (HEAD[:20], 0, True, "before its head was complete"),
    "after the head": (HEAD, 0, True, "after 0 body bytes"),
    "inside the body": (HEAD + b"hello", 5, True, "after 5 body bytes"),
    "inside a chunk": (CHUNKED + b"a\r\nhello", 5, True, "after 5 body bytes"),
    "between chunks": (CHUNKED + b"5\r\nhello\r\n", 5, True, "after 5 body bytes"),
    "before the last line": (CHUNKED + b"5\r\nhello\r\n0\r\n", 5, True, "after 5 body bytes"),
    "after an interim head": (b"HTTP/1.1 100 Continue\r\n\r\n", 0, True, "before its head was complete"),
}


@pytest.mark.parametrize("by", ["FIN", "reset"])
@pytest.mark.parametrize("where", BROKEN_AT.values(), ids=BROKEN_AT)
def test_broken_connection(where, by):
    """An answer cut short by the end of its connection is a RESET that says how far it came."""
    data, body_bytes, response_started, message = where

    async def script(reader, writer):
        await read_request(reader)
        writer.write(data)
        await writer.drain()
        if by == "reset":
            reset(writer)

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return (await fetch(client, request(origin))).failure

    failure = run(main)

    assert (failure.kind, failure.sent) == (FailureKind.RESET, True)
    assert (failure.body_bytes, failure.response_started) == (body_bytes, response_started)
    assert message in failure.message


def test_half_close():
    """A provider that closes its side without answering has reset the exchange, though it still reads."""

    async def script(reader, writer):
        await read_request(reader)
        writer.write_eof()
        await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return (await fetch(client, request(origin))).failure.kind

    assert run(main) == FailureKind.RESET


@pytest.mark.parametrize("by", ["eof", "reset"])
def test_stale_connection(by):
    """A pooled connection that dies before any byte of an answer is STALE, and the request is not sent again."""
    seen = []

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        seen.append(await read_request(reader))
        if by == "reset":
            reset(writer)

    async def main():
        async with a_provider(script) as (origin, provider), a_client() as client:
            await fetch(client, request(origin))
            second = await fetch(client, request(origin))
            return second, len(seen), provider.connections

    second, requests, connections = run(main)

    assert second.events == ["sent", "failure stale"]
    assert (second.failure.sent, second.failure.response_started) == (True, False)
    assert (requests, connections) == (1, 1)


def test_reused_connection_that_breaks_later():
    """Once an answer has begun, a break on a pooled connection is a RESET."""

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        writer.write(HEAD)
        await writer.drain()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            await fetch(client, request(origin))
            return (await fetch(client, request(origin))).failure.kind

    assert run(main) == FailureKind.RESET


def test_silent_provider():
    """No answer within the first-byte timeout; the connection is closed."""

    async def main():
        async with a_provider(silent) as (origin, _), a_client() as client:
            answer = await fetch(client, request(origin, timeouts=BRIEF))
            await until(lambda: client.stats()[origin].open == 0)
            return answer

    answer = run(main)

    assert answer.events == ["sent", "failure first_byte_timeout"]
    assert (answer.failure.sent, answer.failure.response_started) == (True, False)


def test_slow_head():
    """A head that dribbles in does not extend the first-byte timeout."""

    async def script(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0)

    async def main():
        async with a_provider(script) as (origin, _), a_client(max_header_bytes=10_000_000) as client:
            return (await fetch(client, request(origin, timeouts=BRIEF))).failure

    failure = run(main)

    assert (failure.kind, failure.response_started) == (FailureKind.FIRST_BYTE_TIMEOUT, True)


def test_endless_interim_heads():
    """Nor do interim heads, however many."""

    async def script(reader, writer):
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    async def main():
        async with a_provider(script) as (origin, _), a_client(max_header_bytes=10_000_000) as client:
            return (await fetch(client, request(origin, timeouts=BRIEF))).failure.kind

    assert run(main) == FailureKind.FIRST_BYTE_TIMEOUT


def test_silence_inside_the_body():
    """A stream that falls silent fails after the idle timeout, with what had come."""

    async def script(reader, writer):
        await read_request(reader)
        writer.write(HEAD + b"hello")
        await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return await fetch(client, request(origin, timeouts=BRIEF_IDLE))

    answer = run(main)

    assert answer.events == ["sent", "head", "body", "failure idle_timeout"]
    assert (answer.body, answer.failure.body_bytes) == (b"hello", 5)


def test_provider_that_stops_reading():
    """A provider that stops taking a large body fails the exchange, and its memory is not copied into buffers."""

    async def script(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return await fetch(client, request(origin, body=bytes(20_000_000), timeouts=BRIEF))

    answer = run(main)

    assert answer.events == ["failure first_byte_timeout"]
    assert answer.failure.message.endswith("the provider stopped taking the request's body")


def test_reset_while_sending():
    """A reset in the middle of a large body is reported once."""

    async def script(reader, writer):
        await reader.readexactly(1_000_000)
        reset(writer)

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return (await fetch(client, request(origin, body=bytes(20_000_000)))).events

    assert run(main) == ["failure reset"]


@pytest.mark.parametrize(
    ("answer", "kind", "events"),
    [
        (b"SSH-2.0-OpenSSH_9.7\r\n", FailureKind.MALFORMED, ["sent"]),
        (b"\x15\x03\x01\x00\x02\x02\x16", FailureKind.MALFORMED, ["sent"]),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", FailureKind.MALFORMED, ["sent"]),
        (CHUNKED + b"5\r\nhello\r\nnonsense", FailureKind.MALFORMED, ["sent", "head", "body"]),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2000, FailureKind.HEADERS_TOO_LARGE, ["sent"]),
    ],
    ids=["other protocol", "TLS alert", "upgrade", "chunk", "long head"],
)
def test_garbage(answer, kind, events):
    """What is not strict HTTP/1.1 fails at once, and the connection is not used again."""

    async def main():
        async with a_provider(always(answer)) as (origin, provider), a_client(max_header_bytes=1024) as client:
            first = await fetch(client, request(origin))
            await fetch(client, request(origin))
            return first.events, provider.connections

    assert run(main) == ([*events, f"failure {kind}"], 2)


def test_unreachable_port():
    """A refused connection is CONNECT, and nothing was sent."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    async def main():
        async with a_client() as client:
            return await fetch(client, request(Origin("http", "127.0.0.1", port)))

    answer = run(main)

    assert answer.events == ["failure connect"]
    assert not answer.failure.sent
    assert str(port) in answer.failure.message


@pytest.mark.parametrize("host", ["name.invalid", "x" * 70, "a..b"])
def test_name_that_does_not_resolve(host):
    """A name without an address, or that cannot be a name, is CONNECT."""

    async def main():
        async with a_client() as client:
            return (await fetch(client, request(Origin("http", host, 80)))).events

    assert run(main) == ["failure connect"]


def test_connect_timeout():
    """An address that does not answer fails within the connect timeout."""
    with socket.socket() as sock:
        # A listener whose queue is full leaves further connections unanswered.
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = [_connect_without_waiting(sock.getsockname()) for _ in range(4)]

        async def main():
            timeouts = Timeouts(connect_s=0.05, first_byte_s=20, idle_s=20)
            async with a_client() as client:
                origin = Origin("http", "127.0.0.1", sock.getsockname()[1])
                return await fetch(client, request(origin, timeouts=timeouts))

        answer = run(main)
        for filler in fillers:
            filler.close()

    assert answer.events == ["failure connect_timeout"]
    assert not answer.failure.sent


def _connect_without_waiting(address):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(address)
    return sock


class Raising(Recorder):
    """A handler that fails in one of its callbacks."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def _note(self, event, flag):
        super()._note(event, flag)
        if event.split()[0] == self.place:
            raise LookupError(self.place)


@pytest.mark.parametrize(
    ("place", "events"),
    [
        ("sent", ["sent", "failure closed"]),
        ("head", ["sent", "head", "failure closed"]),
        ("body", ["sent", "head", "body", "failure closed"]),
        ("complete", ["sent", "head", "body", "complete"]),
    ],
)
def test_handler_that_raises(place, events):
    """It loses its connection, hears of it, and the loop hears of the error; the next exchange is unharmed."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client(max_connections_per_origin=1) as client:
            await fetch(client, request(origin))
            bad = Raising(place)
            client.send(request(origin), bad)
            good = await fetch(client, request(origin))
            await bad.ended.wait()
            return bad.events, good.body, provider.connections

    assert run(main, reports=1) == (events, b"ok", 2)


def test_handler_that_raises_on_failure():
    """A handler that fails while told of a failure does not keep the slot from the next in the queue."""

    async def script(reader, writer):
        head, _ = await read_request(reader)
        if b"/good" in head:
            writer.write(OK)
            await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client(max_connections_per_origin=1) as client:
            bad = Raising("failure")
            client.send(request(origin, target=b"/bad"), bad)
            good, _ = start(client, request(origin, target=b"/good"))
            await good.ended.wait()
            return bad.events, good.body

    assert run(main, reports=1) == (["sent", "failure reset"], b"ok")
