"""Play a trace against the gateway at its own times, faster, slower, or as fast as answers come back.

One loop keeps the schedule; answers are callbacks of the relay's own client, so that thousands in flight cost no task
each. A stop asked for half-way sends nothing more, gives answers in flight a moment, and sums up what there is.
"""

import asyncio
import signal
from collections.abc import Callable, Iterable
from typing import Final

import uvloop
from msgspec import Struct

from bursar.clock import Clock, SystemClock
from bursar.replay.answer import Answer
from bursar.replay.prompt import MESSAGES_PATH, Prompt, build_prompt
from bursar.replay.summary import Outcome, Summary, Tally
from bursar.replay.trace_request import TraceRequest
from bursar.upstream import ClientSettings, Exchange, Fields, Origin, Timeouts, UpstreamClient, UpstreamRequest

_GOLDEN_RATIO: Final = 0.6180339887498949
"""Steps of it spread the streamed share evenly over the requests, without chance."""


class ReplaySettings(Struct, frozen=True, kw_only=True):
    """How a trace is played."""

    base_url: str
    """The gateway, as in ``http://127.0.0.1:4100``."""
    key: str
    """The virtual key that is sent."""
    model: str = "gpt-4o-mini"
    """For requests whose trace names no model."""
    speed: float = 1.0
    """Trace seconds a second; 0 sends as fast as ``concurrency`` allows."""
    concurrency: int = 64
    """Most requests in flight."""
    stream_share: float = 0.5
    """Share of requests that ask for a stream."""
    is_simulated: bool = True
    """Tell a simulated provider the exact output size; a real one only gets ``max_tokens``."""
    grace_s: float = 5.0
    """How long answers in flight may take after a stop."""
    timeouts: Timeouts = Timeouts(connect_s=10.0, first_byte_s=600.0, idle_s=300.0)


class Progress(Struct, frozen=True):
    """For a progress bar."""

    sent: int
    done: int


def run_replay(
    requests: Iterable[TraceRequest],
    settings: ReplaySettings,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Play a trace to its end, or until SIGINT; raises ValueError for a base URL that is none."""
    return uvloop.run(_until_interrupted(requests, settings, on_progress))


async def _until_interrupted(
    requests: Iterable[TraceRequest], settings: ReplaySettings, on_progress: Callable[[Progress], None]
) -> Summary:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        return await replay(requests, settings, stop=stop, on_progress=on_progress)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def replay(
    requests: Iterable[TraceRequest],
    settings: ReplaySettings,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Play a trace until its end or until ``stop`` is set, and sum up."""
    client = UpstreamClient(
        asyncio.get_running_loop(), ClientSettings(max_connections_per_origin=max(1, settings.concurrency))
    )
    playing = _Playing(settings, client, clock or SystemClock(), stop, on_progress)
    try:
        await playing.play(requests)
        return playing.summary()
    finally:
        await client.aclose()


class _Playing:
    """One replay under way."""

    def __init__(
        self,
        settings: ReplaySettings,
        client: UpstreamClient,
        clock: Clock,
        stop: asyncio.Event,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._stop = stop
        self._on_progress = on_progress
        self._origin, self._prefix = Origin.parse(settings.base_url)
        self._tally = Tally()
        self._in_flight: dict[Answer, Exchange | None] = {}
        self._changed = asyncio.Event()
        self._started_us = clock.monotonic_us()

    async def play(self, requests: Iterable[TraceRequest]) -> None:
        """Send every request at its time, then wait for the answers."""
        waking = asyncio.get_running_loop().create_task(self._wake_on_stop(), name="replay stop")
        try:
            await self._send_all(requests)
            await self._until_free(0)
            await self._drain()
        finally:
            waking.cancel()

    async def _send_all(self, requests: Iterable[TraceRequest]) -> None:
        for number, request in enumerate(requests):
            await self._until_due(request)
            await self._until_free(self._settings.concurrency - 1)
            if self._stop.is_set():
                return
            self._send(request, number)

    def summary(self) -> Summary:
        """What there is so far."""
        return self._tally.summary(duration_s=self._elapsed_s(), interrupted=self._stop.is_set())

    async def _until_due(self, request: TraceRequest) -> None:
        if not self._settings.speed:
            return
        due_s = request.at_s / self._settings.speed
        wait_s = due_s - self._elapsed_s()
        if wait_s > 0:
            await self._wait(self._stop, wait_s)
        self._tally.latest_start_s = max(self._tally.latest_start_s, self._elapsed_s() - due_s)

    async def _until_free(self, most: int) -> None:
        """Wait until at most so many are in flight, or a stop."""
        while len(self._in_flight) > most and not self._stop.is_set():
            self._changed.clear()
            await self._changed.wait()

    async def _wake_on_stop(self) -> None:
        await self._stop.wait()
        self._changed.set()

    async def _drain(self) -> None:
        """After a stop: give answers a moment, then let go of them."""
        deadline_s = self._elapsed_s() + self._settings.grace_s
        while self._in_flight and self._elapsed_s() < deadline_s:
            self._changed.clear()
            await self._wait(self._changed, deadline_s - self._elapsed_s())
        for answer, exchange in tuple(self._in_flight.items()):
            if exchange is not None:
                exchange.cancel()
            answer.abandon()

    async def _wait(self, event: asyncio.Event, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except TimeoutError:
            return

    def _send(self, request: TraceRequest, number: int) -> None:
        stream = (number * _GOLDEN_RATIO) % 1.0 < self._settings.stream_share
        prompt = build_prompt(request, model=request.model or self._settings.model, stream=stream, number=number)
        answer = Answer(self._clock, self._ended)
        self._in_flight[answer] = None
        exchange = self._client.send(
            UpstreamRequest(
                self._origin,
                b"POST",
                (self._prefix + prompt.path).encode(),
                self._headers(request, prompt),
                prompt.body,
                self._settings.timeouts,
            ),
            answer,
        )
        self._tally.sent += 1
        self._in_flight[answer] = exchange
        self._on_progress(Progress(self._tally.sent, self._tally.done))

    def _headers(self, request: TraceRequest, prompt: Prompt) -> Fields:
        headers = [
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + self._settings.key.encode()),
            (b"x-bursar-stream-cost", b"comment"),
        ]
        if prompt.path == MESSAGES_PATH:
            headers.append((b"anthropic-version", b"2023-06-01"))
        headers += [(f"x-bursar-tag-{name}".encode(), value.encode()) for name, value in request.tags]
        if request.task is not None:
            headers.append((b"x-bursar-task", request.task.encode()))
        if self._settings.is_simulated:
            headers.append((b"x-sim-output-tokens", b"%d" % max(1, request.output_tokens)))
        return Fields(headers)

    def _ended(self, answer: Answer, outcome: Outcome) -> None:
        self._in_flight.pop(answer, None)
        self._tally.add(outcome)
        self._changed.set()
        self._on_progress(Progress(self._tally.sent, self._tally.done))

    def _elapsed_s(self) -> float:
        return (self._clock.monotonic_us() - self._started_us) / 1e6
