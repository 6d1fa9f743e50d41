"""Cancellation at every point of an exchange: no further callback, nothing left open, the next exchange unharmed."""

import asyncio
import socket

import pytest

from bursar.upstream import Origin
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


@pytest.mark.parametrize("turns", range(12))
def test_while_connecting(turns):
    """However far the attempt has come, the slot is free again afterwards."""

    async def main():
        async with a_provider(always()) as (origin, _), a_client(max_connections_per_origin=1) as client:
            recorder, exchange = start(client, request(origin, method=b"HEAD", body=b""))
            for _ in range(turns):
                await asyncio.sleep(0)
            before = list(recorder.events)
            exchange.cancel()
            exchange.cancel()
            next_one = await fetch(client, request(origin))
            return before, recorder.events, next_one.body

    before, after, body = run(main)

    assert after == before
    assert body == b"ok"


def test_while_resolving():
    """A name that is still being looked up is let go."""

    async def main():
        async with a_client() as client:
            origin = Origin("http", "name.invalid", 80)
            recorder, exchange = start(client, request(origin))
            await asyncio.sleep(0)
            exchange.cancel()
            await until(lambda: client.stats()[origin].open == 0)
            return recorder.events

    assert run(main) == []


def test_while_the_address_does_not_answer():
    """An attempt that hangs is given up with its socket."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())

        async def main():
            async with a_client() as client:
                origin = Origin("http", "127.0.0.1", sock.getsockname()[1])
                recorder, exchange = start(client, request(origin))
                for _ in range(20):
                    await asyncio.sleep(0)
                exchange.cancel()
                await until(lambda: client.stats()[origin].open == 0)
                return recorder.events

        events = run(main)
        for filler in fillers:
            filler.close()

    assert events == []


def test_while_waiting_in_the_queue():
    """The queue closes up behind the one that left."""

    async def main():
        async with a_provider(silent) as (origin, _), a_client(max_connections_per_origin=1) as client:
            first, holder = start(client, request(origin))
            await first.sent.wait()
            second, leaver = start(client, request(origin))
            third, last = start(client, request(origin))
            leaver.cancel()
            holder.cancel()
            await third.sent.wait()
            last.cancel()
            return first.events, second.events, third.events

    assert run(main) == (["sent"], [], ["sent"])


def stage_script(stage, *, reached):
    """A provider that goes as far as the stage and waits."""

    async def script(reader, writer):
        head, _ = await read_request(reader)
        if b"/next" in head:
            writer.write(OK)
            await forever()
        if stage != "sent":
            writer.write({"inside the head": HEAD[:9], "head": HEAD, "body": HEAD + b"hello"}[stage])
            await writer.drain()
        reached.set()
        await reader.read()

    return script


@pytest.mark.parametrize("is_paused", [False, True])
@pytest.mark.parametrize("stage", ["sent", "inside the head", "head", "body"])
def test_in_flight(stage, is_paused):
    """The connection is closed, paused or not, and the next exchange gets a fresh one."""

    async def main():
        reached = asyncio.Event()
        async with (
            a_provider(stage_script(stage, reached=reached)) as (origin, provider),
            a_client(max_connections_per_origin=1) as client,
        ):
            recorder, exchange = start(client, request(origin))
            await reached.wait()
            if stage in {"head", "body"}:
                await (recorder.headed if stage == "head" else recorder.bodied).wait()
            if is_paused:
                exchange.pause()
            exchange.cancel()
            exchange.resume()
            before = list(recorder.events)
            next_one = await fetch(client, request(origin, target=b"/next"))
            return before == recorder.events, next_one.body, provider.connections

    assert run(main) == (True, b"ok", 2)


def test_while_sending():
    """A large body stops where it is."""

    async def main():
        received = []

        async def script(reader, _writer):
            await reader.readuntil(b"\r\n\r\n")
            started.set()
            received.append(len(await reader.read(-1)))

        started = asyncio.Event()
        async with a_provider(script) as (origin, _), a_client() as client:
            recorder, exchange = start(client, request(origin, body=bytes(64_000_000)))
            await started.wait()
            exchange.cancel()
            await until(lambda: received or client.stats()[origin].open == 0)
            return recorder.events

    assert run(main) == []


class Cancelling(Recorder):
    """Cancels its own exchange from inside a callback."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        self.exchange = None

    def _note(self, event, flag):
        super()._note(event, flag)
        if event == self.place:
            self.exchange.cancel()


@pytest.mark.parametrize(
    ("place", "events", "connections"),
    [
        ("head", ["sent", "head"], 2),
        ("body", ["sent", "head", "body"], 2),
        ("complete", ["sent", "head", "body", "complete"], 1),
    ],
)
def test_inside_a_callback(place, events, connections):
    """Nothing follows the callback that cancelled, though the whole answer had been read; at the end it is too late."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client(max_connections_per_origin=1) as client:
            recorder = Cancelling(place)
            recorder.exchange = client.send(request(origin), recorder)
            next_one = await fetch(client, request(origin))
            return recorder.events, next_one.body, provider.connections

    assert run(main) == (events, b"ok", connections)


def test_after_the_end():
    """Too late is harmless: the connection has long served another."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:
            recorder, exchange = start(client, request(origin))
            await recorder.ended.wait()
            again, _ = start(client, request(origin))
            exchange.cancel()
            exchange.pause()
            exchange.resume()
            await again.ended.wait()
            return again.body, provider.connections

    assert run(main) == (b"ok", 1)


def test_request_that_cannot_be_sent():
    """Its failure is not told either."""

    async def main():
        async with a_provider(always()) as (origin, _), a_client() as client:
            recorder, exchange = start(client, request(origin, target=b"no slash"))
            exchange.cancel()
            await fetch(client, request(origin))
            return recorder.events

    assert run(main) == []
