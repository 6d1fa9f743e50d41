"""The load generator: fires one `Load` at one address and reports what came back, in a process of its own.

    python bench/load.py '{"port": 4100, "requests": 1000, …}'

It connects, warms the contestant up, prints ``ready``, waits for a line on its input, runs, and prints a `Result` as
JSON. Closed loop: every connection sends its next request when it has its answer. Open loop (``rate``): requests start
when a kernel timer says so, whether or not earlier ones were answered; one that finds no free connection waits, and its
latency counts from the instant it should have started, so a stall is charged to every request that it delayed.
"""

import asyncio
import ctypes
import os
import sys
from array import array
from collections import deque
from time import monotonic as now

import httptools
import msgspec
import uvloop

from payloads import chat_body, request_bytes


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and how."""

    port: int = 0
    path: str = "/v1/chat/completions"
    headers: tuple[tuple[str, str], ...] = ()
    connections: int = 1
    requests: int = 1
    rate: float | None = None
    """Requests a second, evenly spaced; ``None`` is a closed loop."""
    chunks: int = 0
    """Chunks of each streamed answer; 0 asks for whole answers."""
    pause_ms: int = 0
    """The provider's pause between two chunks."""
    asks_usage: bool = False
    """Whether the client itself asks for the stream's usage."""
    warmup: int = 0
    """Whole answers fetched first on every connection."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    answers: int
    errors: int
    events: int
    """Server-sent events, the end marker included."""
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    first_error: str = ""


class Connection(asyncio.Protocol):
    """One connection; it has at most one request under way."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.parser = httptools.HttpResponseParser(self)
        self.since = 0.0
        self.is_busy = False
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_busy:
            self.run.failed(self, f"connection lost: {exc}")

    def send(self, request: bytes, since: float) -> None:
        """Start a request whose latency counts from ``since`` (the loop's clock is too coarse; see `now`)."""
        self.is_busy = True
        self.since = since
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as broken:
            self.run.failed(self, f"not HTTP: {broken!r}")

    def on_body(self, data: bytes) -> None:
        if self.run.load.chunks:
            both = self.tail + data
            self.run.events += both.count(b"\n\n")
            self.tail = data[-1:] if data[-2:] != b"\n\n" else b""

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < 200:
            return
        self.is_busy = False
        self.tail = b""
        if status == 200:
            self.run.answered(self)
        else:
            self.run.failed(self, f"status {status}")


class Run:
    """One load, from connecting to its result."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.loop = asyncio.get_running_loop()
        host = f"127.0.0.1:{load.port}"
        body = chat_body(
            stream=bool(load.chunks), chunks=load.chunks, pause_ms=load.pause_ms, asks_usage=load.asks_usage
        )
        self.request = request_bytes(path=load.path, host=host, headers=load.headers, body=body)
        self.plain = request_bytes(path=load.path, host=host, headers=load.headers, body=chat_body())
        self.connections: list[Connection] = []
        self.idle: list[Connection] = []
        self.queue: deque[float] = deque()
        self._begin(0)

    def _begin(self, requests: int) -> None:
        self.to_start = self.to_end = requests
        self.latencies = array("d")
        self.events = self.errors = 0
        self.first_error = ""
        self.done = self.loop.create_future()

    async def connect(self) -> None:
        """Open every connection."""
        for _ in range(self.load.connections):
            _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.load.port)
            self.connections.append(connection)

    async def warm_up(self) -> None:
        """Fetch whole answers, uncounted."""
        if self.load.warmup:
            measured, self.request = self.request, self.plain
            await self._closed(self.load.warmup * self.load.connections)
            self.request = measured
            if self.errors:
                raise SystemExit(f"the warm-up failed: {self.first_error}")

    async def measure(self) -> Result:
        """Run the load."""
        start = now()
        if self.load.rate is None:
            await self._closed(self.load.requests)
        else:
            await self._open(self.load.requests, self.load.rate)
        seconds = now() - start
        if not self.latencies:
            raise SystemExit(f"no request was answered: {self.first_error}")
        ordered = sorted(self.latencies)
        return Result(
            answers=len(ordered),
            errors=self.errors,
            events=self.events,
            seconds=seconds,
            p50_ms=quantile_ms(ordered, 0.50),
            p90_ms=quantile_ms(ordered, 0.90),
            p99_ms=quantile_ms(ordered, 0.99),
            max_ms=quantile_ms(ordered, 1.0),
            first_error=self.first_error,
        )

    async def _closed(self, requests: int) -> None:
        self._begin(requests)
        for connection in self.connections[:requests]:
            self.to_start -= 1
            connection.send(self.request, now())
        await self.done

    async def _open(self, requests: int, rate: float) -> None:
        self._begin(requests)
        self.idle = list(self.connections)
        interval = 1 / rate
        timer = Ticker(interval)
        first = now() + interval
        started = 0

        def tick() -> None:
            nonlocal started
            for _ in range(min(timer.read(), requests - started)):
                self.queue.append(first + started * interval)
                started += 1
            self._drain_queue()
            if started == requests:
                self.loop.remove_reader(timer.fd)

        self.loop.add_reader(timer.fd, tick)
        self.to_start = 0
        await self.done
        timer.close()

    def _drain_queue(self) -> None:
        while self.queue and self.idle:
            self.idle.pop().send(self.request, self.queue.popleft())

    def answered(self, connection: Connection) -> None:
        """An answer is complete: take its time, and go on."""
        self.latencies.append(now() - connection.since)
        self._ended()
        if self.to_start > 0:
            self.to_start -= 1
            connection.send(self.request, now())
        elif self.load.rate is not None:
            self.idle.append(connection)
            self._drain_queue()

    def failed(self, connection: Connection, why: str) -> None:
        """A request failed; its connection is not used again, and a closed loop that loses its last one ends."""
        connection.is_busy = False
        connection.transport.abort()
        self.errors += 1
        self.first_error = self.first_error or why
        self._ended()
        self.connections.remove(connection)
        if not self.connections and not self.done.done():
            self.done.set_result(None)

    def _ended(self) -> None:
        self.to_end -= 1
        if self.to_end == 0 and not self.done.done():
            self.done.set_result(None)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Interval(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Ticker:
    """A periodic kernel timer (timerfd): an event loop's timers are a millisecond coarse, which would show."""

    def __init__(self, interval_s: float) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.timerfd_create(1, os.O_NONBLOCK)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        whole, rest = divmod(int(interval_s * 1e9), 10**9)
        step = _Timespec(whole, rest)
        if self._libc.timerfd_settime(self.fd, 0, ctypes.byref(_Interval(step, step)), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def read(self) -> int:
        """How often it has fired since last asked."""
        return int.from_bytes(os.read(self.fd, 8), sys.byteorder)

    def close(self) -> None:
        os.close(self.fd)


def quantile_ms(ordered: list[float], share: float) -> float:
    """The nearest-rank quantile of sorted seconds, in milliseconds."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1] * 1000


async def run(load: Load) -> Result:
    """Connect, warm up, wait for the word, measure."""
    one = Run(load)
    await one.connect()
    await one.warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    return await one.measure()


def main() -> None:
    load = msgspec.json.decode(sys.argv[1], type=Load)
    print(msgspec.json.encode(uvloop.run(run(load))).decode(), flush=True)


if __name__ == "__main__":
    main()
