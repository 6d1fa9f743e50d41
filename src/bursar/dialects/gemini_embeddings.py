"""Gemini embeddings: newer models report usage metadata, Vertex counts tokens in ``statistics``, others say nothing."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.base import Reading, Request
from bursar.dialects.estimate import text_bytes, tokens_of
from bursar.dialects.fields import count, decoded, document, fields, json_text, mapping, objects
from bursar.dialects.gemini_content import served_tier
from bursar.dialects.gemini_usage import measure
from bursar.events import UsageStatus
from bursar.usage import Meter, Usage, usage_of


class _Answer(Struct, rename="camel"):
    embedding: Raw = Raw()
    embeddings: Raw = Raw()
    usage_metadata: Raw = Raw()


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_NO_ANSWER: Final = _Answer()


def read_embedding(body: bytes, *, complete: bool, request: Request) -> Reading:
    """The reading of an embedding answer; without any count, the input is estimated from the request's text."""
    answer = decoded(_ANSWER, body)
    if answer is None and complete:
        note = "the answer is not a JSON object"
        return Reading(usage=None, status=UsageStatus.MISSING, complete=complete, notes=(note,))
    answer = answer or _NO_ANSWER
    usage, status, notes = _settle(answer, request)
    tier, conditions = served_tier(fields(answer.usage_metadata))
    return Reading(
        usage=usage,
        status=status,
        service_tier=tier,
        raw_usage=json_text(answer.usage_metadata),
        conditions=conditions,
        complete=complete,
        notes=notes,
    )


def _settle(answer: _Answer, request: Request) -> tuple[Usage, UsageStatus, tuple[str, ...]]:
    measured = measure(fields(answer.usage_metadata))
    if measured.known:
        status = UsageStatus.INCONSISTENT if measured.problems else UsageStatus.REPORTED
        return measured.usage, status, measured.problems
    problems: list[str] = []
    counted = _statistics(answer, problems)
    if counted and not problems:
        return usage_of({Meter.INPUT_TEXT: counted}), UsageStatus.REPORTED, ()
    estimate = tokens_of(text_bytes(document(request.body)))
    note = "no usage was reported: input is estimated from its text"
    return usage_of({Meter.INPUT_TEXT: estimate}), UsageStatus.ESTIMATED, (*problems, note)


def _statistics(answer: _Answer, problems: list[str]) -> int:
    """Tokens that Vertex counted vector by vector."""
    if b'"statistics"' not in bytes(answer.embedding) + bytes(answer.embeddings):
        return 0
    vectors = [fields(answer.embedding), *objects(document(answer.embeddings))]
    counts = (count(mapping(vector.get("statistics")), "tokenCount", problems) for vector in vectors)
    return sum(tokens or 0 for tokens in counts)
