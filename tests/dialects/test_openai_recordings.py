"""Recorded traffic of OpenAI-style providers: bytes pass, splits do not matter, meters equal the provider's totals."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from bursar.dialects.base import Tap
from bursar.dialects.openai_stream import is_usage_chunk
from bursar.events import UsageStatus
from support.openai_wire import Exchange, exchanges
from support.taps import run, splits

HIDDEN_REASONING = "test_compatible_api_with_tool_calls_without_id"
"""Gemini behind its OpenAI-compatible endpoint: thoughts are in the total alone."""

ONLY_REASONING = "chat-streaming-detailed-usage"
"""All 100 output tokens are hidden reasoning, of which a stream shows nothing."""


@cache
def recorded() -> list[Exchange]:
    return list(exchanges())


@pytest.fixture(params=range(12))
def share(request: pytest.FixtureRequest) -> list[Exchange]:
    """A twelfth of the recordings, so that the work spreads over workers."""
    return recorded()[request.param :: 12]


def tap_of(exchange: Exchange, *, strip_usage: bool = False) -> Tap:
    request = msgspec.structs.replace(exchange.request, strip_usage=strip_usage)
    return exchange.dialect.tap(
        exchange.endpoint, request, status=exchange.recording.status, content_type=exchange.content_type, headers={}
    )


def documents(exchange: Exchange) -> Iterator[dict[str, Any]]:
    """The JSON documents of an answer, read without any code under test."""
    body = exchange.recording.response_body.decode()
    if "event-stream" not in exchange.content_type:
        yield json.loads(body)
        return
    for line in body.splitlines():
        if line.startswith("data:") and "[DONE]" not in line:
            yield json.loads(line.removeprefix("data:"))


def reported_usage(exchange: Exchange) -> dict[str, Any] | None:
    """The provider's last usage object, wherever it puts it."""
    usage = None
    for document in documents(exchange):
        response = document.get("response") or {}
        groq = document.get("x_groq") or {}
        usage = document.get("usage") or response.get("usage") or groq.get("usage") or usage
    return usage


def tokens_reported(usage: dict[str, Any]) -> int:
    billed = usage.get("billed_units")
    if billed:
        return int(sum(billed.values()))
    if "total_tokens" in usage:
        return int(usage["total_tokens"])
    return 0


def test_recordings_are_there():
    """The corpus is the one these tests were written for, so that an empty folder cannot pass."""
    assert len(recorded()) > 185


def test_bytes_pass(share):
    """The client gets the provider's bytes, however they were cut, and the reading is the same for every cut."""
    for exchange in share:
        body = exchange.recording.response_body
        out, whole = run(tap_of(exchange), [body])
        assert body == out, exchange.recording.name

        for cut in splits(body, most=8):
            assert (body, whole) == run(tap_of(exchange), cut), exchange.recording.name


def test_only_the_usage_chunk_is_withheld(share):
    """Where we asked for usage, the client gets the stream without the usage chunk, and we read the same."""
    for exchange in share:
        body = exchange.recording.response_body
        if "event-stream" not in exchange.content_type or exchange.endpoint.operation != "chat.completions":
            continue
        events = body.replace(b"\r\n", b"\n").split(b"\n\n")
        expected = b"\n\n".join(event for event in events if not is_usage_chunk(event))
        _, whole = run(tap_of(exchange), [body])

        for cut in [[body], *splits(body, most=30)]:
            assert (expected, whole) == run(tap_of(exchange, strip_usage=True), cut), exchange.recording.name


def test_meters_equal_the_total(share):
    """Token meters add up to the provider's own total, and its usage object is kept as it came."""
    for exchange in share:
        name = exchange.recording.name
        usage = reported_usage(exchange) if exchange.recording.status == 200 else None
        if usage is None or not exchange.endpoint.billable or "seconds" in usage:
            continue
        _, reading = run(tap_of(exchange), [exchange.recording.response_body])

        assert reading.usage is not None, name
        own = [part.usage for part in reading.parts] or [reading.usage]
        assert tokens_reported(usage) == sum(one.input_tokens + one.output_tokens for one in own), name
        expected = UsageStatus.INCONSISTENT if HIDDEN_REASONING in name else UsageStatus.REPORTED
        assert expected == reading.status, name
        assert usage == json.loads(reading.raw_usage or "null"), name


def test_errors_bill_nothing(share):
    """An answer with an error status has the provider's error type and no usage."""
    for exchange in share:
        if exchange.recording.status < 400:
            continue
        _, reading = run(tap_of(exchange), [exchange.recording.response_body])

        assert (reading.usage, reading.status) == (None, UsageStatus.NONE)
        assert reading.error


def test_broken_off_streams_are_estimated(share):
    """A stream cut before its usage is billed by what was seen, and says so."""
    for exchange in share:
        body = exchange.recording.response_body
        if "event-stream" not in exchange.content_type or exchange.endpoint.operation != "chat.completions":
            continue
        seen = body[: body.rfind(b"data:", 0, body.find(b'_tokens"'))]
        out, reading = run(tap_of(exchange), [seen], complete=False)

        assert seen == out
        assert reading.status is UsageStatus.ESTIMATED
        assert reading.usage is not None
        assert reading.usage.input_tokens > 0
        assert (reading.usage.output_tokens > 0) == (ONLY_REASONING not in exchange.recording.name)
        assert reading.notes
