"""CPU cost of one relayed exchange: the client against a bare protocol that does no logic, same bytes, loopback.

    .venv/bin/python bench/upstream_client.py [--requests 20000] [--profile]

The provider runs in a process of its own; only this process's CPU time is counted. Prints microseconds of CPU per
exchange of a 4.5 KB POST and a 1 KB answer at 1, 8 and 32 connections, and per chunk of a streamed answer. Machines
drift: compare lines of one run, and the best of several rounds.
"""

import argparse
import asyncio
import cProfile
import multiprocessing
import pstats
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection as Pipe
from typing import Any

import uvloop

from bursar.upstream import ClientSettings, Failure, Fields, Origin, Timeouts, UpstreamClient, UpstreamRequest

BODY = b"x" * 4500
HEADERS = (
    (b"authorization", b"Bearer sk-0123456789012345678901234567890123456789"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"OpenAI/Python 2.6.1"),
    (b"x-stainless-lang", b"python"),
    (b"x-stainless-package-version", b"2.6.1"),
    (b"x-stainless-os", b"Linux"),
    (b"x-stainless-arch", b"x64"),
    (b"x-stainless-runtime", b"CPython"),
    (b"x-stainless-async", b"false"),
    (b"x-stainless-retry-count", b"0"),
)
ANSWER_HEADERS = b"".join(
    b"%b: %b\r\n" % field
    for field in (
        (b"Date", b"Sat, 22 Nov 2025 05:10:00 GMT"),
        (b"Content-Type", b"application/json"),
        (b"Connection", b"keep-alive"),
        (b"openai-processing-ms", b"712"),
        (b"openai-version", b"2020-10-01"),
        (b"x-request-id", b"req_0123456789abcdef0123456789abcdef"),
        (b"x-ratelimit-limit-requests", b"10000"),
        (b"x-ratelimit-remaining-requests", b"9999"),
        (b"x-ratelimit-reset-requests", b"6ms"),
        (b"Server", b"cloudflare"),
        (b"CF-RAY", b"89abcdef01234567-FRA"),
    )
)
ANSWER = b"HTTP/1.1 200 OK\r\n" + ANSWER_HEADERS + b"Content-Length: 1024\r\n\r\n" + b"y" * 1024
EVENT = b"data: " + b"z" * 250 + b"\n\n"
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\n" + ANSWER_HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = 2000
TIMEOUTS = Timeouts(connect_s=10.0, first_byte_s=600.0, idle_s=300.0)

Rounds = Callable[[int, int, int], Coroutine[Any, Any, None]]
"""(port, connections, requests) -> an awaitable that returns once all have been answered."""


class ProviderProtocol(asyncio.Protocol):
    """Answers every complete request; a target that starts with /stream gets one chunk for each loop turn."""

    def __init__(self) -> None:
        self.seen = 0
        self.is_stream = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if not self.seen:
            self.is_stream = data.startswith(b"POST /stream")
            self.expected = data.index(b"\r\n\r\n") + 4 + len(BODY)
        self.seen += len(data)
        if self.seen < self.expected:
            return
        self.seen = 0
        self.transport.write(STREAM_HEAD if self.is_stream else ANSWER)
        if self.is_stream:
            asyncio.get_running_loop().call_later(0.001, self.stream, CHUNKS)

    def stream(self, left: int) -> None:
        self.transport.write(CHUNK if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_soon(self.stream, left - 1)


def serve(pipe: Pipe) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(ProviderProtocol, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(main())


class Bare(asyncio.Protocol):
    """The floor: writes ready bytes, counts received ones, does nothing else."""

    def __init__(self, run: "Run", request: bytes, answer_bytes: int) -> None:
        self.run, self.request, self.answer_bytes, self.seen = run, request, answer_bytes, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.seen += len(data)
        if self.seen >= self.answer_bytes:
            self.seen = 0
            if self.run.take():
                self.transport.write(self.request)


class Run:
    """How many exchanges are still to start and to end."""

    def __init__(self, requests: int, connections: int) -> None:
        self.to_start, self.to_end = requests - connections, requests
        self.done = asyncio.get_running_loop().create_future()

    def take(self) -> bool:
        self.to_end -= 1
        if not self.to_end:
            self.done.set_result(None)
        self.to_start -= 1
        return self.to_start >= 0


class Handler:
    """Sends the next request when one has been answered, from a fresh loop turn as a gateway would."""

    def __init__(self, run: Run, client: UpstreamClient, request: UpstreamRequest) -> None:
        self.run, self.client, self.request = run, client, request
        self.loop = asyncio.get_running_loop()

    def send(self) -> None:
        self.client.send(self.request, self)

    def on_sent(self) -> None: ...

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_complete(self) -> None:
        if self.run.take():
            self.loop.call_soon(self.send)

    def on_failure(self, failure: Failure) -> None:
        raise RuntimeError(failure.message)


async def ours(port: int, connections: int, requests: int, target: bytes = b"/v1/chat/completions") -> None:
    loop = asyncio.get_running_loop()
    client = UpstreamClient(loop, ClientSettings())
    request = UpstreamRequest(Origin("http", "127.0.0.1", port), b"POST", target, Fields(HEADERS), BODY, TIMEOUTS)
    run = Run(requests, connections)
    for _ in range(connections):
        Handler(run, client, request).send()
    await run.done
    await client.aclose()


async def bare(
    port: int,
    connections: int,
    requests: int,
    target: bytes = b"/v1/chat/completions",
    answer_bytes: int = len(ANSWER),
) -> None:
    loop = asyncio.get_running_loop()
    fields = b"".join(b"%b: %b\r\n" % field for field in HEADERS)
    request = b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: 4500\r\n\r\n%b" % (target, fields, BODY)
    run = Run(requests, connections)
    for _ in range(connections):
        await loop.create_connection(lambda: Bare(run, request, answer_bytes), "127.0.0.1", port)
    await run.done


async def ours_streaming(port: int, connections: int, requests: int) -> None:
    await ours(port, connections, requests, b"/stream")


async def bare_streaming(port: int, connections: int, requests: int) -> None:
    await bare(port, connections, requests, b"/stream", len(STREAM_HEAD) + CHUNKS * len(CHUNK) + 5)


def cpu_us(rounds: Rounds, port: int, connections: int, requests: int) -> float:
    start = time.process_time()
    uvloop.run(rounds(port, connections, requests))
    return (time.process_time() - start) / requests * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    parent, child = multiprocessing.Pipe()
    provider = multiprocessing.Process(target=serve, args=(child,), daemon=True)
    provider.start()
    port = parent.recv()
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(cpu_us, ours, port, 8, options.requests)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    for connections in (1, 8, 32):
        for name, rounds in (("bare", bare), ("client", ours)):
            costs = [cpu_us(rounds, port, connections, options.requests) for _ in range(options.rounds)]
            print(
                f"{connections:3d} connections  {name:7s} {min(costs):6.1f} us/exchange  {[round(c, 1) for c in costs]}"
            )
    for name, streaming in (("bare", bare_streaming), ("client", ours_streaming)):
        costs = [cpu_us(streaming, port, 1, 10) / CHUNKS for _ in range(options.rounds)]
        print(f"  streaming      {name:7s} {min(costs):6.2f} us/chunk     {[round(c, 2) for c in costs]}")
    provider.terminate()


if __name__ == "__main__":
    main()
