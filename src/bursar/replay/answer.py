"""Watch one answer: when it began and ended, what it says of tokens and cost, and how it failed."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from bursar.clock import Clock
from bursar.money import parse_usd
from bursar.replay.summary import Outcome
from bursar.upstream import Failure

_TAIL_BYTES: Final = 64 * 1024
"""Usage and cost come last in a stream; of a long one only the end is kept."""
_WHOLE_BYTES: Final = 8 * 1024 * 1024
_FIRST_ERROR: Final = 400
_COST_COMMENT: Final = re.compile(rb": bursar cost_usd=([0-9.]+)")
_OWN_LATENCY: Final = (b"x-sim-elapsed-ms", b"openai-processing-ms", b"x-envoy-upstream-service-time")
"""Headers in which providers say how long they took to begin; the first that is there counts."""


class Answer:
    """A `ResponseHandler` that ends in one `Outcome`."""

    def __init__(self, clock: Clock, on_end: Callable[["Answer", Outcome], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._started_us = clock.monotonic_us()
        self._first_us: int | None = None
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def on_sent(self) -> None:
        pass

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._first_us = self._clock.monotonic_us()
        self._status = status
        self._headers = dict(headers)

    def on_body(self, data: bytes) -> None:
        self._body += data
        limit = _TAIL_BYTES if self._is_stream() else _WHOLE_BYTES
        if len(self._body) > 2 * limit:
            del self._body[:-limit]

    def on_complete(self) -> None:
        self._end(None if self._status < _FIRST_ERROR else f"http {self._status}")

    def on_failure(self, failure: Failure) -> None:
        self._end(failure.kind.value)

    def abandon(self) -> None:
        """The replay was stopped before this answer came."""
        self._end("interrupted")

    def _end(self, error: str | None) -> None:
        now_us = self._clock.monotonic_us()
        usage = usage_in(bytes(self._body), is_stream=self._is_stream())
        first_s = None if self._first_us is None else (self._first_us - self._started_us) / 1e6
        own_s = self._own_latency_s()
        self._on_end(
            self,
            Outcome(
                error=error,
                input_tokens=_sum(usage, "prompt_tokens")
                or _sum(usage, "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
                output_tokens=_sum(usage, "completion_tokens") or _sum(usage, "output_tokens"),
                cached_tokens=_cached(usage),
                cost_pico=self._cost(),
                first_byte_s=first_s,
                total_s=(now_us - self._started_us) / 1e6,
                added_s=None if first_s is None or own_s is None else first_s - own_s,
            ),
        )

    def _is_stream(self) -> bool:
        return self._headers.get(b"content-type", b"").startswith(b"text/event-stream")

    def _own_latency_s(self) -> float | None:
        for name in _OWN_LATENCY:
            value = self._headers.get(name)
            if value is not None:
                return _milliseconds(value)
        return None

    def _cost(self) -> int | None:
        value = self._headers.get(b"x-bursar-cost-usd")
        if value is None:
            comments = _COST_COMMENT.findall(self._body)
            value = comments[-1] if comments else None
        return None if value is None else parse_usd(value.decode("ascii"))


def usage_in(body: bytes, *, is_stream: bool) -> Mapping[str, Any]:
    """The usage object of a whole answer, or the last of a stream; empty when there is none."""
    if not is_stream:
        return _usage_of(body)
    for line in reversed(body.split(b"\n")):
        if line.startswith(b"data: ") and b'"usage"' in line:
            usage = _usage_of(line[6:])
            if usage:
                return usage
    return {}


def _usage_of(text: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    usage = found.get("usage") if isinstance(found, dict) else None
    return usage if isinstance(usage, dict) else {}


def _sum(usage: Mapping[str, Any], *names: str) -> int | None:
    if names[0] not in usage:
        return None
    counts = (usage.get(name) for name in names)
    return sum(count for count in counts if isinstance(count, int))


def _cached(usage: Mapping[str, Any]) -> int:
    details = usage.get("prompt_tokens_details")
    inside = details.get("cached_tokens", 0) if isinstance(details, dict) else 0
    return int(inside or usage.get("cache_read_input_tokens") or 0)


def _milliseconds(value: bytes) -> float | None:
    try:
        return float(value) / 1000
    except ValueError:
        return None
