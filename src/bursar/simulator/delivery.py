"""Put a reply on the wire: at its pace, with its fault, and with a note of what really left.

The order of generation is reasoning, then text: what had been generated when an answer broke off is what was paced out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from msgspec import Struct

from bursar.simulator.chance import Chance
from bursar.simulator.exchange import Frame, Reply
from bursar.simulator.faults import BREAKING, Fault
from bursar.simulator.protocol import LINE, Line
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.steering import Steering

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_LEAST_PAUSE_S: Final = 0.001
"""Shorter pauses are saved up: a timer cannot keep them."""


class Connection:
    """The way to the caller: what ASGI gives, and the `Line` that `protocol` adds."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.send = send
        self._receive = receive
        self._line: Line = scope["extensions"][LINE]

    def is_gone(self) -> bool:
        """No one is there any more."""
        return self._line.is_gone()

    async def reset(self) -> None:
        """Break the connection off, once what was sent has left the process."""
        await asyncio.sleep(0)
        self._line.reset()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Pace(Struct, frozen=True):
    """When bytes leave."""

    first_byte_s: float
    token_s: float


class Delivered(Struct):
    """What became of a reply."""

    body_bytes: int = 0
    tokens: int = 0
    """Output tokens generated before it ended."""
    usage_sent: bool = False
    was_reset: bool = False
    head_sent: bool = False
    client_left: bool = False
    complete: bool = False


def pace_of(settings: SimulatorSettings, steering: Steering, chance: Chance, fault: Fault | None) -> Pace:
    """Draw an answer's pace (log-normal), or take the one asked for."""
    late = settings.slow_first_byte_ms / 1000 if fault is Fault.SLOW_FIRST_BYTE else 0.0
    if steering.latency_ms is not None:
        return Pace(steering.latency_ms / 1000 + late, 0.0)
    scale = settings.latency_scale / 1000
    if not scale:
        return Pace(late, 0.0)
    first = chance.log_normal(settings.first_token_ms, settings.first_token_sigma) * scale
    return Pace(first + late, chance.log_normal(settings.token_ms, settings.token_sigma) * scale)


class Delivery:
    """One reply on its way out."""

    def __init__(
        self,
        *,
        reply: Reply,
        pace: Pace,
        fault: Fault | None,
        connection: Connection,
        head: Callable[[], list[tuple[bytes, bytes]]],
    ) -> None:
        self._reply = reply
        self._pace = pace
        self._fault = fault
        self._connection = connection
        self._head = head
        self.delivered = Delivered()

    async def run(self) -> None:
        """Send all of it, or as much as the fault and the client allow."""
        if self._reply.is_stream:
            await self._pause(self._pace.first_byte_s)
            await self._stream()
        else:
            await self._whole()

    async def _whole(self) -> None:
        (frame,) = self._reply.frames
        await self._pause(self._pace.first_byte_s + self._pace.token_s * frame.tokens)
        self.delivered.tokens = frame.tokens
        if self._fault is Fault.RESET_BEFORE_HEAD:
            await self._break_off()
            return
        if self._connection.is_gone():
            self.delivered.client_left = True
            return
        half = frame.data[: len(frame.data) // 2]
        data = half if self._fault is Fault.TRUNCATE else frame.data
        await self._start(len(data))
        if self._fault is Fault.RESET_MID_STREAM:
            await self._body(Frame(half), more=True)
            await self._break_off()
            return
        await self._body(Frame(data, 0, frame.has_usage and data is frame.data), more=False)
        self.delivered.complete = data is frame.data

    async def _stream(self) -> None:
        if self._fault is Fault.RESET_BEFORE_HEAD:
            await self._break_off()
            return
        if self._connection.is_gone():
            self.delivered.client_left = True
            return
        await self._start(None)
        frames = iter(self._reply.frames)
        owed = 0.0
        for frame in _first_half(frames) if self._fault in BREAKING else frames:
            owed += self._pace.token_s * frame.tokens
            if owed >= _LEAST_PAUSE_S:
                await self._pause(owed)
                owed = 0.0
            if self._connection.is_gone():
                self.delivered.client_left = True
                return
            await self._body(frame, more=True)
        if self._fault is Fault.RESET_MID_STREAM:
            await self._break_off()
            return
        last = self._reply.error_frame if self._fault is Fault.ERROR_IN_STREAM else b""
        await self._body(Frame(last), more=False)
        self.delivered.complete = self._fault not in BREAKING

    async def _start(self, length: int | None) -> None:
        headers = self._head()
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        await self._connection.send({"type": "http.response.start", "status": self._reply.status, "headers": headers})
        self.delivered.head_sent = True

    async def _body(self, frame: Frame, *, more: bool) -> None:
        await self._connection.send({"type": "http.response.body", "body": frame.data, "more_body": more})
        self.delivered.body_bytes += len(frame.data)
        self.delivered.tokens += frame.tokens
        self.delivered.usage_sent = self.delivered.usage_sent or frame.has_usage

    async def _break_off(self) -> None:
        self.delivered.was_reset = True
        await self._connection.reset()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)


def _first_half(frames: Iterator[Frame]) -> list[Frame]:
    known = list(frames)
    return known[: max(1, len(known) // 2)]
