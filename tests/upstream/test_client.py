"""The client over real loopback connections: the ordinary ways."""

import asyncio
import socket

import pytest

from bursar.upstream import FailureKind, Origin, OriginStats, Timeouts
from support.exchanges import (
    OK,
    Recorder,
    a_client,
    a_provider,
    always,
    answering,
    fetch,
    forever,
    read_request,
    request,
    run,
    silent,
    start,
    until,
)


def test_small_post():
    """A request goes out as written and its answer comes back in order."""
    seen = []

    async def script(reader, writer):
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 201 Created\r\nX-Id:  7 \r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            answer = await fetch(client, request(origin))
            return origin, answer

    origin, answer = run(main)

    assert answer.events == ["sent", "head", "body", "complete"]
    assert (answer.status, answer.body) == (201, b"hello")
    assert answer.headers == [(b"x-id", b"7"), (b"content-length", b"5")]
    assert seen == [
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer secret\r\n"
            b"content-length: 13\r\n\r\n" % origin.port,
            b'{"model":"m"}',
        )
    ]


def test_no_delay():
    """Small writes are not held back by Nagle's algorithm."""

    async def main():
        async with a_provider(always()) as (origin, _), a_client() as client:
            await fetch(client, request(origin))
            (connection,) = client._lanes[origin]._connections
            sock = connection._transport.get_extra_info("socket")
            return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    assert run(main)


def test_reuse():
    """One connection carries exchange after exchange."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:
            answers = [await fetch(client, request(origin)) for _ in range(5)]
            return [answer.body for answer in answers], provider.connections

    assert run(main) == ([b"ok"] * 5, 1)


@pytest.mark.parametrize(
    ("answer", "body", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n", b"ok", 1),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", b"ok", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", 2),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", b"", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, b"ok", 1),
        (OK + b"\r\n", b"ok", 2),
        (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged", b"ok", 2),
    ],
    ids=["chunked", "close", "1.0", "204", "304", "interim", "empty line after", "second answer"],
)
def test_connection_after_an_answer(answer, body, connections):
    """A connection is reused if the answer says so, ended where it said, and nothing followed."""

    async def main():
        async with a_provider(always(answer)) as (origin, provider), a_client() as client:
            bodies = [(await fetch(client, request(origin))).body for _ in range(2)]
            return bodies, provider.connections

    assert run(main) == ([body] * 2, connections)


def test_head_request():
    """An answer to HEAD has no body whatever it says, and its connection is reused."""

    async def main():
        async with (
            a_provider(always(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")) as (origin, provider),
            a_client() as client,
        ):
            answers = [await fetch(client, request(origin, method=b"HEAD", body=b"")) for _ in range(2)]
            return [answer.events for answer in answers], provider.connections

    assert run(main) == ([["sent", "head", "complete"]] * 2, 1)


def test_body_until_eof():
    """Without a length the body lasts until the connection ends."""

    async def main():
        async with (
            a_provider(answering(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")) as (origin, provider),
            a_client(max_connections_per_origin=1) as client,
        ):
            recorders = [start(client, request(origin))[0] for _ in range(2)]
            for recorder in recorders:
                await recorder.ended.wait()
            return [(recorder.events[-1], recorder.body) for recorder in recorders], provider.connections

    assert run(main) == ([("complete", b"until the end")] * 2, 2)


def test_trickled_answer():
    """An answer that comes a byte at a time is the same answer."""
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n"
    )

    async def script(reader, writer):
        await read_request(reader)
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            return await fetch(client, request(origin))

    answer = run(main)

    assert (answer.events[-1], answer.status, answer.body) == ("complete", 200, b"hello")


def test_streaming():
    """Each event of a stream is handed on as it comes, not when the answer is complete."""

    async def main():
        step = asyncio.Event()

        async def script(reader, writer):
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\none,\r\n")
            await step.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
            await forever()

        async with a_provider(script) as (origin, _), a_client() as client:
            recorder, _ = start(client, request(origin))
            await recorder.bodied.wait()
            early = recorder.body
            step.set()
            await recorder.ended.wait()
            return early, recorder.body

    assert run(main) == (b"one,", b"one,two")


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 20 * 1024 * 1024])
def test_large_request(size):
    """A body of any size arrives whole, and `on_sent` follows its last byte."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def main():
        received = []

        async def script(reader, writer):
            received.append((await read_request(reader))[1])
            writer.write(OK)
            await forever()

        async with a_provider(script) as (origin, _), a_client() as client:
            answer = await fetch(client, request(origin, body=body))
            return answer.events, received == [body]

    assert run(main) == (["sent", "head", "body", "complete"], True)


def test_large_answer():
    """A large answer arrives whole."""
    body = bytes(range(256)) * 40_000

    async def main():
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        async with a_provider(always(answer)) as (origin, _), a_client() as client:
            return (await fetch(client, request(origin))).body == body

    assert run(main)


def test_early_answer():
    """An answer may come before the request is sent in full; it is complete, and the connection is not used again."""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await writer.drain()
        await forever()

    async def main():
        async with a_provider(script) as (origin, provider), a_client() as client:
            first = await fetch(client, request(origin, body=bytes(20_000_000)))
            second = await fetch(client, request(origin, body=bytes(20_000_000)))
            return first.events, first.status, second.body, provider.connections

    assert run(main) == (["head", "body", "complete"], 413, b"big", 2)


def test_pause_and_resume():
    """While paused nothing is read, the provider is held back, and no timeout runs."""
    size = 30_000_000

    async def main():
        written = asyncio.Event()

        async def script(reader, writer):
            head, _ = await read_request(reader)
            if b"/silent" in head:
                await forever()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
            for _ in range(30):
                writer.write(bytes(size // 30))
                await writer.drain()
            written.set()
            await forever()

        class Pausing(Recorder):
            def on_head(self, status, headers):
                super().on_head(status, headers)
                exchange.pause()

        brief = Timeouts(connect_s=20, first_byte_s=20, idle_s=0.05)
        longer = Timeouts(connect_s=20, first_byte_s=0.15, idle_s=20)
        async with a_provider(script) as (origin, _), a_client() as client:
            recorder = Pausing()
            exchange = client.send(request(origin, timeouts=brief), recorder)
            await recorder.headed.wait()
            other = await fetch(client, request(origin, target=b"/silent", timeouts=longer))
            is_held = len(recorder.body) < size // 4 and not written.is_set()
            events = list(recorder.events)
            exchange.resume()
            await recorder.ended.wait()
            return other.events, is_held, events[-1], len(recorder.body), recorder.events[-1]

    assert run(main) == (["sent", "failure first_byte_timeout"], True, "body", size, "complete")


def test_pause_before_the_connection():
    """A pause asked for while connecting holds once connected."""

    async def main():
        answered = asyncio.Event()

        async def script(reader, writer):
            await read_request(reader)
            writer.write(OK)
            await writer.drain()
            answered.set()
            await always()(reader, writer)

        async with a_provider(script) as (origin, provider), a_client() as client:
            recorder, exchange = start(client, request(origin))
            exchange.pause()
            await answered.wait()
            await fetch(client, request(origin))
            early = list(recorder.events)
            exchange.resume()
            await recorder.ended.wait()
            return early, recorder.body, provider.connections

    assert run(main) == (["sent"], b"ok", 2)


def test_answer_completes_while_paused():
    """A connection whose answer ended under a pause is read again, so that it is still reusable."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:

            class Pausing(Recorder):
                def on_head(self, status, headers):
                    super().on_head(status, headers)
                    exchange.pause()

            recorder = Pausing()
            exchange = client.send(request(origin), recorder)
            await recorder.ended.wait()
            return recorder.events, (await fetch(client, request(origin))).body, provider.connections

    assert run(main) == (["sent", "head", "body", "complete"], b"ok", 1)


def test_ipv6():
    """An IPv6 literal is connected to and named with brackets."""
    seen = []

    async def script(reader, writer):
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()

    async def main():
        async with a_provider(script, host="::1") as (origin, _), a_client() as client:
            return origin.port, (await fetch(client, request(origin))).body

    if not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    port, body = run(main)

    assert body == b"ok"
    assert b"host: [::1]:%d\r\n" % port in seen[0][0]


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_name_with_several_addresses():
    """Where a name has several addresses, one that refuses does not stand in the way of another."""

    async def main():
        async with a_provider(always(), name="localhost") as (origin, _), a_client() as client:
            return (await fetch(client, request(origin))).body

    assert run(main) == b"ok"


def test_limit_and_queue():
    """No more connections than allowed are opened; further exchanges are served first come, first served."""
    order = []

    async def main():
        async with (
            a_provider(always()) as (origin, provider),
            a_client(max_connections_per_origin=2) as client,
        ):

            class Ordered(Recorder):
                def __init__(self, number):
                    super().__init__()
                    self.number = number

                def on_sent(self):
                    order.append(self.number)
                    super().on_sent()

            recorders = [Ordered(number) for number in range(20)]
            for recorder in recorders:
                client.send(request(origin), recorder)
            busy = client.stats()[origin]
            for recorder in recorders:
                await recorder.ended.wait()
            return busy, client.stats()[origin], provider.connections

    busy, rested, connections = run(main)

    assert busy == OriginStats(open=2, idle=0, waiting=18)
    assert rested == OriginStats(open=2, idle=2, waiting=0)
    assert connections == 2
    assert [number for number in order if number >= 2] == list(range(2, 20))


def test_pool_timeout():
    """An exchange that finds every connection busy gives up after the connect timeout, unsent."""

    async def main():
        async with a_provider(silent) as (origin, _), a_client(max_connections_per_origin=1) as client:
            busy, exchange = start(client, request(origin))
            await busy.sent.wait()
            timeouts = Timeouts(connect_s=0.05, first_byte_s=20, idle_s=20)
            waiting = await fetch(client, request(origin, timeouts=timeouts))
            exchange.cancel()
            return waiting, client.stats()[origin].waiting

    waiting, left = run(main)

    assert waiting.events == ["failure pool_timeout"]
    assert (waiting.failure.sent, waiting.failure.response_started, left) == (False, False, 0)


def test_next_in_queue_after_a_failure():
    """When a connection dies, the slot goes to the next exchange in the queue."""

    async def script(reader, writer):
        head, _ = await read_request(reader)
        if b"/good" in head:
            writer.write(OK)
            await forever()

    async def main():
        async with a_provider(script) as (origin, _), a_client(max_connections_per_origin=1) as client:
            bad, _ = start(client, request(origin, target=b"/bad"))
            good, _ = start(client, request(origin, target=b"/good"))
            await bad.ended.wait()
            await good.ended.wait()
            return bad.failure.kind, good.body

    assert run(main) == (FailureKind.RESET, b"ok")


def test_idle_connection_expires():
    """An unused connection is closed after its time, by us."""

    async def main():
        closed = asyncio.Event()

        async def script(reader, writer):
            await read_request(reader)
            writer.write(OK)
            await reader.read()
            closed.set()

        async with a_provider(script) as (origin, _), a_client(pool_idle_s=0.05) as client:
            await fetch(client, request(origin))
            await closed.wait()
            return client.stats()[origin]

    assert run(main) == OriginStats(open=0, idle=0, waiting=0)


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"], ids=["EOF", "unasked answer"])
def test_idle_connection_closed_by_the_provider(farewell):
    """EOF or bytes on an idle connection discard it before anyone uses it."""

    async def main():
        left = asyncio.Event()

        async def script(reader, writer):
            await read_request(reader)
            writer.write(OK)
            await left.wait()
            writer.write(farewell)
            await writer.drain()
            if farewell:
                await reader.read()

        async with a_provider(script) as (origin, provider), a_client() as client:
            first = await fetch(client, request(origin))
            left.set()
            await until(lambda: client.stats()[origin].open == 0)
            second = await fetch(client, request(origin))
            return first.events, second.events, provider.connections

    ordinary = ["sent", "head", "body", "complete"]

    assert run(main) == (ordinary, ordinary, 2)


def test_close():
    """Closing fails what is in progress with CLOSED, queue and attempts included, and refuses what comes after."""

    async def main():
        async with a_provider(silent) as (origin, _), a_client(max_connections_per_origin=1) as client:
            active, _ = start(client, request(origin))
            await active.sent.wait()
            waiting, _ = start(client, request(origin))
            connecting, _ = start(client, request(Origin("http", "localhost", origin.port)))
            await client.aclose()
            late = await fetch(client, request(origin))
            await client.aclose()
            return [one.events for one in (active, waiting, connecting, late)]

    assert run(main) == [["sent", "failure closed"], ["failure closed"], ["failure closed"], ["failure closed"]]


@pytest.mark.parametrize("script", [always(), silent])
@pytest.mark.parametrize("turns", range(12))
def test_close_at_any_turn(turns, script):
    """However far an exchange has come, closing ends it once and leaves nothing open; a second close may overlap."""

    async def main():
        async with a_provider(script) as (origin, _), a_client(max_connections_per_origin=1) as client:
            recorders = [start(client, request(origin))[0] for _ in range(2)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.gather(client.aclose(), client.aclose())
            return [recorder.events[-1] for recorder in recorders]

    assert set(run(main)) <= {"complete", "failure closed"}


def test_connection_that_is_closing():
    """A connection that is on its way out is passed over."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:
            await fetch(client, request(origin))
            for connection in client._lanes[origin]._connections:
                connection.abort()
            return (await fetch(client, request(origin))).events[-1], provider.connections

    assert run(main) == ("complete", 2)


def test_request_that_cannot_be_sent():
    """It fails as MALFORMED, after send() has returned, and nothing reaches the provider."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:
            recorder, _ = start(client, request(origin, headers=((b"x", b"1\r\ny: 2"),)))
            early = list(recorder.events)
            await recorder.ended.wait()
            return early, recorder.failure, provider.connections

    early, failure, connections = run(main)

    assert (early, connections) == ([], 0)
    assert (failure.kind, failure.sent) == (FailureKind.MALFORMED, False)
