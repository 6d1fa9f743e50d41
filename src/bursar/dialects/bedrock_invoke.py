"""Bedrock InvokeModel answers: each model family's own shape, told by its fields and not by the model's name.

A model id may be the opaque ARN of an inference profile, so the shape decides. Claude's messages are read by the
Anthropic reader. The other families say what they used in a ``usage`` object (Nova, and families in the OpenAI manner),
in fields of their own (Titan, Llama, Cohere), or not at all; then the response headers
``x-amzn-bedrock-…-token-count`` tell, and in a stream the ``amazon-bedrock-invocationMetrics`` of its last chunk.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from bursar.dialects.anthropic_messages import MessageReader
from bursar.dialects.base import Reading, Request
from bursar.dialects.bedrock_converse import latency, settle
from bursar.dialects.bedrock_usage import measure
from bursar.dialects.eventstream import Message, MessageParser, encode_event
from bursar.dialects.fields import count, decoded, document, encoded, mapping, objects, utf8_length
from bursar.events import UsageStatus
from bursar.usage import EMPTY, Meter, Usage, usage_of

METRICS: Final = "amazon-bedrock-invocationMetrics"
_METRICS_MARK: Final = METRICS.encode()
_CLAUDE_MARK: Final = b'"message_start"'

_COUNT_HEADERS: Final[Mapping[str, str]] = {
    "inputTokens": "x-amzn-bedrock-input-token-count",
    "outputTokens": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokens": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokens": "x-amzn-bedrock-cache-write-input-token-count",
}


class _Chunk(Struct):
    inner: bytes = field(default=b"", name="bytes")
    """Base64 on the wire."""


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def read_invocation(body: bytes, *, complete: bool, request: Request, headers: Mapping[str, str]) -> Reading:
    """The reading of an unstreamed InvokeModel answer."""
    answer = mapping(document(body))
    if answer.get("type") == "message":
        claude = MessageReader(request, free_refusals=False)
        claude.body(body, complete=complete)
        return _named_by_path(claude.reading(complete=complete), headers)
    usage = usage_in(answer) or _header_counts(headers)
    spoken = 0 if complete and answer else len(body) * (not complete)
    used, status, notes = settle(measure(usage), request=request, spoken_bytes=spoken, error=None)
    used, status, notes = _with_images(used, status, notes, answer=answer, request=request)
    return _reading(used, status, notes, usage=usage, headers=headers, complete=complete and bool(answer))


class InvocationStream:
    """Reads an InvokeModelWithResponseStream answer: events whose payload wraps the family's own chunks."""

    event_ends = b""

    __slots__ = (
        "_claude",
        "_ended",
        "_error",
        "_headers",
        "_metrics",
        "_parser",
        "_request",
        "_spoken_bytes",
        "_usage",
    )

    def __init__(self, request: Request, headers: Mapping[str, str]) -> None:
        self._request = request
        self._headers = headers
        self._parser = MessageParser()
        self._claude: MessageReader | None = None
        self._usage: Mapping[str, Any] = {}
        self._metrics: Mapping[str, Any] = {}
        self._spoken_bytes = 0
        self._error: str | None = None
        self._ended = False

    def read(self, data: bytes) -> None:
        for message in self._parser.feed(data):
            self._take(message)

    def seen(self) -> Reading:
        return self.reading(complete=False)

    def closing(self) -> bytes | None:
        """Claude's last events in Bedrock's wrapping; other families' streams just end."""
        if self._parser.unfinished:
            return None
        events = self._claude.closing() if self._claude is not None else []
        return b"".join(encode_event("chunk", msgspec.json.encode({"bytes": event.payload})) for event in events)

    def reading(self, *, complete: bool) -> Reading:
        complete = complete and self._ended and not self._parser.unfinished
        reading = self._claude_reading(complete=complete) or self._counted(complete=complete)
        problem = self._parser.problem
        return replace(reading, notes=(*reading.notes, problem)) if problem else reading

    def _take(self, message: Message) -> None:
        if message.kind.message != "event":
            self._error = message.kind.name or message.kind.message
            return
        wrapped = decoded(_CHUNK, message.payload)
        if wrapped is None:
            return
        chunk = wrapped.inner
        if self._claude is None and _CLAUDE_MARK in chunk:
            self._claude = MessageReader(self._request, free_refusals=False)
        if self._claude:
            self._claude.payload(chunk)
        is_last = _METRICS_MARK in chunk
        self._ended |= is_last
        if self._claude and not is_last:
            return
        answer = mapping(document(chunk))
        if is_last:
            self._metrics = mapping(answer.get(METRICS))
        if b'"usage"' in chunk:
            self._usage = usage_in(answer) or self._usage
        self._spoken_bytes += _spoken(answer)

    def _claude_reading(self, *, complete: bool) -> Reading | None:
        if self._claude is None:
            return None
        reading = self._claude.reading(complete=complete)
        if reading.status in {UsageStatus.ESTIMATED, UsageStatus.MISSING} and self._metrics:
            return None
        return replace(_named_by_path(reading, self._headers), error=self._error or reading.error)

    def _counted(self, *, complete: bool) -> Reading:
        usage = self._usage or self._metrics
        used, status, notes = settle(
            measure(usage), request=self._request, spoken_bytes=self._spoken_bytes, error=self._error
        )
        reading = _reading(used, status, notes, usage=usage, headers=self._headers, complete=complete)
        return replace(reading, error=self._error)


def usage_in(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A family's token counts under Bedrock's names; empty when the answer has none."""
    usage = mapping(answer.get("usage")) or mapping(mapping(answer.get("metadata")).get("usage"))
    if "prompt_tokens" in usage:
        return _openai_counts(usage)
    if usage:
        return usage
    if "prompt_token_count" in answer or "generation_token_count" in answer:
        return {
            "inputTokens": answer.get("prompt_token_count"),
            "outputTokens": answer.get("generation_token_count"),
        }
    if "inputTextTokenCount" in answer:
        return _titan_counts(answer)
    billed = mapping(mapping(answer.get("meta")).get("billed_units"))
    if "input_tokens" in billed:
        return {"inputTokens": billed["input_tokens"], "outputTokens": billed.get("output_tokens")}
    return mapping(answer.get(METRICS))


def _openai_counts(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Counts in the OpenAI manner, whose prompt tokens include the cached ones."""
    problems: list[str] = []
    prompt = count(usage, "prompt_tokens", problems)
    cached = count(mapping(usage.get("prompt_tokens_details")), "cached_tokens", problems) or 0
    if problems or prompt is None or cached > prompt:
        return {"inputTokens": usage["prompt_tokens"], "outputTokens": usage.get("completion_tokens")}
    return {
        "inputTokens": prompt - cached,
        "cacheReadInputTokens": cached,
        "outputTokens": usage.get("completion_tokens"),
        "totalTokens": usage.get("total_tokens"),
    }


def _titan_counts(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Titan counts the input once and the output per result, or in a stream per answer; embeddings have no output."""
    problems: list[str] = []
    results = [count(result, "tokenCount", problems) or 0 for result in objects(answer.get("results"))]
    streamed = count(answer, "totalOutputTextTokenCount", problems) or 0
    return {"inputTokens": answer["inputTextTokenCount"], "outputTokens": sum(results) or streamed}


def _header_counts(headers: Mapping[str, str]) -> dict[str, int]:
    found = {name: headers.get(header, "") for name, header in _COUNT_HEADERS.items()}
    return {name: int(value) for name, value in found.items() if value.isascii() and value.isdecimal()}


def _with_images(
    used: Usage | None,
    status: UsageStatus,
    notes: tuple[str, ...],
    *,
    answer: Mapping[str, Any],
    request: Request,
) -> tuple[Usage | None, UsageStatus, tuple[str, ...]]:
    """Add the images an image model drew, or the one a multimodal embedding was made of: they are priced each."""
    images = answer.get("images")
    drawn = len(images) if isinstance(images, list) else 0
    embedded = 1 if b'"inputImage"' in request.body and ("embedding" in answer) else 0
    if not drawn + embedded:
        return used, status, notes
    counted = (used or EMPTY) + usage_of({Meter.IMAGES: drawn + embedded})
    return counted, UsageStatus.REPORTED if status is UsageStatus.MISSING else status, () if used is None else notes


def _reading(
    used: Usage | None,
    status: UsageStatus,
    notes: tuple[str, ...],
    *,
    usage: Mapping[str, Any],
    headers: Mapping[str, str],
    complete: bool,
) -> Reading:
    reading = Reading(
        usage=used,
        status=status,
        raw_usage=encoded(usage) if usage else None,
        complete=complete,
        notes=notes,
    )
    return _named_by_path(reading, headers)


def _named_by_path(reading: Reading, headers: Mapping[str, str]) -> Reading:
    """Bedrock prices its own model ids, which the path holds; Claude's name for itself is another. Tier, latency and
    request id come in headers.
    """
    return replace(
        reading,
        model=None,
        response_id=headers.get("x-amzn-requestid") or reading.response_id,
        service_tier=headers.get("x-amzn-bedrock-service-tier") or reading.service_tier,
        conditions=reading.conditions + latency(headers.get("x-amzn-bedrock-performanceconfig-latency")),
    )


def _spoken(answer: Mapping[str, Any]) -> int:
    """UTF-8 bytes of the text in one chunk of any family."""
    said = [answer.get("outputText"), answer.get("generation"), answer.get("text")]
    said += [output.get("text") for output in objects(answer.get("outputs"))]
    for choice in objects(answer.get("choices")):
        said += [choice.get("text"), mapping(choice.get("delta")).get("content")]
    said.append(mapping(mapping(answer.get("contentBlockDelta")).get("delta")).get("text"))
    return sum(map(utf8_length, said))
