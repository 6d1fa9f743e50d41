"""Gemini answers with generated content, streamed or not.

Every chunk of a stream carries the usage so far; the last one that counts tokens holds. Grounding with Google Search is
charged beside the tokens: once per grounded prompt up to Gemini 2.5, once per distinct, non-empty search query from
Gemini 3 on (ai.google.dev/gemini-api/docs/google-search, "Pricing", read 2026-11).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.estimate import text_bytes, tokens_of
from bursar.dialects.fields import decoded, document, fields, json_text, mapping, objects, text
from bursar.dialects.gemini_parts import PER_PROMPT
from bursar.dialects.gemini_usage import Measure, measure
from bursar.dialects.payloads import Event
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of


class _Chunk(Struct, rename="camel"):
    candidates: Raw = Raw()
    usage_metadata: Raw = Raw()
    model_version: Any = None
    response_id: Any = None
    error: Raw = Raw()
    prompt_feedback: Raw = Raw()


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_OF_THE_ANSWER: Final = ("usageMetadata", "modelVersion", "responseId", "createTime")


class ContentReader:
    """Collects what one answer says, chunk by chunk or all at once."""

    __slots__ = (
        "_ended",
        "_error",
        "_grounded_by_maps",
        "_id",
        "_latest",
        "_model",
        "_queries",
        "_request",
        "_text_bytes",
        "_tier",
        "_usage",
    )

    def __init__(self, request: Request, *, tier: str | None = None) -> None:
        """``tier``: the service tier a response header named."""
        self._request = request
        self._tier = tier
        self._id: str | None = None
        self._model: str | None = None
        self._error: str | None = None
        self._latest = b""
        self._usage = Raw()
        self._queries: dict[str, None] = {}
        self._grounded_by_maps = False
        self._text_bytes = 0
        self._ended = False

    def payload(self, data: bytes) -> None:
        """Take one chunk of a stream. One that counts tokens is kept until a later one does, then the last is read."""
        if b'TokenCount"' in data:
            self._latest = data
        else:
            self._take(data)
        if b'"finishReason"' in data or b'"blockReason"' in data:
            self._ended = True
        if b'"groundingMetadata"' in data:
            self._ground(data)

    def closing(self) -> list[Event]:
        """A chunk that finishes every candidate, as the latest one that counts tokens names the answer."""
        if self._ended or self._error:
            return []
        chunk = {name: value for name, value in fields(self._latest).items() if name in _OF_THE_ANSWER}
        candidates = [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": index}
            for index in range(self._request.reach.answers)
        ]
        return [Event(msgspec.json.encode({"candidates": candidates, **chunk}))]

    def whole(self, data: bytes, *, complete: bool) -> None:
        """Take an unstreamed answer. Of one that broke off, every byte is counted as text: its end cannot be read."""
        answer = self._take(data)
        if answer is not None and complete:
            self._ended = bool(answer.candidates or answer.prompt_feedback)
        elif not complete:
            self._text_bytes = len(data)
        if b'"groundingMetadata"' in data:
            self._ground(data)

    def reading(self, *, complete: bool) -> Reading:
        """What was said, with estimates in the place of what did not arrive."""
        if self._latest:
            self._take(self._latest)
        usage = fields(self._usage)
        used, status, notes = self._settle(measure(usage), complete=complete)
        tier, conditions = served_tier(usage, self._tier)
        return Reading(
            usage=used,
            status=status,
            model=self._model,
            service_tier=tier,
            response_id=self._id,
            raw_usage=json_text(self._usage),
            conditions=conditions,
            error=self._error,
            complete=complete and self._ended,
            notes=notes,
        )

    def _take(self, data: bytes) -> _Chunk | None:
        chunk = decoded(_CHUNK, data)
        if chunk is None:
            return None
        self._id = text(chunk.response_id) or self._id
        self._model = text(chunk.model_version) or self._model
        if chunk.error:
            self._error = text(fields(chunk.error).get("status")) or "error"
        if b"TokenCount" in bytes(chunk.usage_metadata):
            self._usage = chunk.usage_metadata
        elif chunk.candidates:
            self._text_bytes += _text_of(document(chunk.candidates))
        return chunk

    def _settle(self, measured: Measure, *, complete: bool) -> tuple[Usage | None, UsageStatus, tuple[str, ...]]:
        notes = measured.problems
        if self._grounded_by_maps:
            notes = (*notes, "grounded with Google Maps: its fee per prompt is not metered")
        if measured.known:
            used = measured.usage + self._searches() if self._queries else measured.usage
            if measured.problems:
                return used, UsageStatus.INCONSISTENT, notes
            if complete and self._ended:
                return used, UsageStatus.REPORTED, notes
            return used, UsageStatus.ESTIMATED, (*notes, "the stream broke off: usage is that of the last chunk seen")
        if self._text_bytes or self._ended:
            return self._estimate(), UsageStatus.ESTIMATED, (*notes, "no usage was reported: estimated from text")
        if self._error:
            return None, UsageStatus.NONE, notes
        return None, UsageStatus.MISSING, (*notes, "the answer reports no usage")

    def _searches(self) -> Usage:
        searches = len(self._queries)
        if searches and PER_PROMPT.match(self._model or self._request.model or ""):
            searches = 1
        return usage_of({Meter.SEARCHES: searches})

    def _estimate(self) -> Usage:
        asked = tokens_of(text_bytes(document(self._request.body)))
        tokens = usage_of({Meter.INPUT_TEXT: asked, Meter.OUTPUT_TEXT: tokens_of(self._text_bytes)})
        return tokens + self._searches()

    def _ground(self, data: bytes) -> None:
        for candidate in objects(fields(data).get("candidates")):
            grounding = mapping(candidate.get("groundingMetadata"))
            for name in ("webSearchQueries", "imageSearchQueries"):
                queries = grounding.get(name)
                found = queries if isinstance(queries, list) else []
                self._queries.update((query, None) for query in found if text(query))
            self._grounded_by_maps |= any("maps" in chunk for chunk in objects(grounding.get("groundingChunks")))


def _text_of(candidates: object) -> int:
    return sum(text_bytes(mapping(candidate.get("content")).get("parts")) for candidate in objects(candidates))


def served_tier(usage: Mapping[str, Any], named: str | None = None) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The tier served, and further price conditions.

    The Gemini API names it in ``serviceTier`` (or a header), Vertex in ``trafficType``.
    """
    tier = text(usage.get("serviceTier")) or named
    traffic = text(usage.get("trafficType")) or ""
    if tier is None and traffic.startswith("ON_DEMAND_"):
        tier = traffic.removeprefix("ON_DEMAND_")
    conditions = () if traffic in _ORDINARY_TRAFFIC or tier else (("traffic", traffic.lower()),)
    return (tier.lower().removeprefix("service_tier_") if tier else None), conditions


_ORDINARY_TRAFFIC: Final = frozenset({"", "ON_DEMAND", "TRAFFIC_TYPE_UNSPECIFIED"})
