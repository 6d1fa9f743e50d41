"""Google's Gemini API and the same methods on Vertex AI; other routes (files, caches, batches, Live) are unmetered."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw

from bursar.dialects.base import Endpoint, ErrorAnswer, Reading, Request, Tap
from bursar.dialects.fields import document, fields, mapping, required, string_map, text, whole
from bursar.dialects.gemini_content import ContentReader
from bursar.dialects.gemini_embeddings import read_embedding
from bursar.dialects.gemini_parts import Reaching, content_reach
from bursar.dialects.json_array import ArrayParser
from bursar.dialects.output_cap import Place, with_cap
from bursar.dialects.payloads import PayloadStream
from bursar.dialects.sse import SseParser
from bursar.dialects.taps import BodyTap, StreamTap, is_success
from bursar.events import UsageStatus

_METHOD: Final = re.compile(
    r"/v1(?:alpha|beta|beta1)?"
    r"/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/google/)?"
    r"models/(?P<model>[A-Za-z0-9][A-Za-z0-9._@-]*)"
    r"(?::(?P<method>[A-Za-z]+))?"
)
_LISTING: Final = re.compile(r"/v1(?:alpha|beta|beta1)?/(?:publishers/google/)?models")

_OPERATIONS: Final[Mapping[str, tuple[str, bool]]] = {
    "generateContent": ("generate_content", True),
    "streamGenerateContent": ("generate_content", True),
    "countTokens": ("count_tokens", False),
    "embedContent": ("embed_content", True),
    "batchEmbedContents": ("embed_content", True),
}
"""Operation and whether it is charged for, by the method in the path."""

_VERTEX: Final = "/v1/projects/{project}/locations/{location}/publishers/google/models/{model}"

_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    431: "INVALID_ARGUMENT",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc.Code names by HTTP status (cloud.google.com/apis/design/errors, read 2026-11); any other is INTERNAL."""


_CAP: Final = Place(names=("maxOutputTokens", "max_output_tokens"), holders=("generationConfig", "generation_config"))


class _Body(Reaching):
    """Google reads field names in camel case and in snake case; a bound must not hide in the other spelling."""

    generationConfig: Raw = Raw()  # noqa: N815 - wire name
    generation_config: Raw = Raw()
    serviceTier: Any = None  # noqa: N815 - wire name
    service_tier: Any = None
    labels: Raw = Raw()


_BODY: Final = msgspec.json.Decoder(_Body)


class Gemini:
    """The wire format of Google's generative models."""

    name = "gemini"
    routes: tuple[tuple[str, str], ...] = (
        *(("POST", f"{models}:{method}") for models in ("/v1beta/models/{model}", _VERTEX) for method in _OPERATIONS),
        ("GET", "/v1beta/models"),
        ("GET", "/v1beta/models/{model}"),
    )

    def match(self, method: str, path: str) -> Endpoint | None:
        if method == "GET" and _LISTING.fullmatch(path):
            return Endpoint(self.name, "models", path, billable=False)
        found = _METHOD.fullmatch(path)
        if found is None:
            return None
        model, called = found["model"], found["method"]
        if method == "GET" and called is None:
            return Endpoint(self.name, "models", path, billable=False, path_model=model)
        if method != "POST" or called not in _OPERATIONS:
            return None
        operation, billable = _OPERATIONS[called]
        streams = called == "streamGenerateContent"
        return Endpoint(self.name, operation, path, billable=billable, path_model=model, path_stream=streams)

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        if endpoint.operation == "models":
            return Request(model=endpoint.path_model, stream=False, body=body)
        asked = required(_BODY, body)
        cap, answers = _caps(asked)
        return Request(
            model=endpoint.path_model,
            stream=endpoint.path_stream,
            body=body,
            max_output_tokens=cap * answers if cap else None,
            metadata=string_map(document(asked.labels)) if asked.labels else {},
            service_tier=text(asked.serviceTier) or text(asked.service_tier),
            reach=content_reach(asked, model=endpoint.path_model or "", answers=answers),
        )

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        return with_cap(request, _CAP, tokens) if endpoint.operation == "generate_content" else None

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        if not is_success(status):
            return BodyTap(partial(_failure, status=status))
        if not endpoint.billable:
            return BodyTap(_free)
        if endpoint.operation == "embed_content":
            return BodyTap(partial(read_embedding, request=request))
        reader = ContentReader(request, tier=text(headers.get("x-gemini-service-tier")))
        if not endpoint.path_stream:
            return BodyTap(partial(_content, reader=reader))
        parser = SseParser() if content_type.startswith("text/event-stream") else ArrayParser()
        return StreamTap(PayloadStream(parser, reader))

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        detail = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": code.upper(),
            "domain": "bursar",
            "metadata": {"request_id": request_id},
        }
        error = {
            "code": status,
            "message": message,
            "status": _STATUSES.get(status, "INTERNAL"),
            "details": [detail],
        }
        return ((b"content-type", b"application/json; charset=UTF-8"),), msgspec.json.encode({"error": error})


def _caps(asked: _Body) -> tuple[int | None, int]:
    """The most output tokens of one candidate, thoughts included, and the number of candidates.

    A body may hold the configuration under both spellings; the larger of the two bounds is the bound.
    """
    camel, snake = fields(asked.generationConfig), fields(asked.generation_config)
    cap = [_number(config, "maxOutputTokens", "max_output_tokens") for config in (camel, snake) if config]
    answers = [_number(config, "candidateCount", "candidate_count") or 1 for config in (camel, snake)]
    is_capped = bool(cap) and None not in cap
    return max((one for one in cap if one), default=None) if is_capped else None, max(answers)


def _number(config: Mapping[str, Any], *names: str) -> int | None:
    """The largest bound under either spelling; Google accepts numbers written as strings."""
    given = [config.get(name) for name in names]
    numbers = [int(value) if isinstance(value, str) and value.isdecimal() else value for value in given]
    return max((number for number in map(whole, numbers) if number), default=None)


def _content(body: bytes, *, complete: bool, reader: ContentReader) -> Reading:
    reader.whole(body, complete=complete)
    return reader.reading(complete=complete)


def _failure(body: bytes, *, complete: bool, status: int) -> Reading:
    answer = document(body)
    answer = answer[0] if isinstance(answer, list) and answer else answer
    error = text(mapping(mapping(answer).get("error")).get("status")) or f"http_{status}"
    return Reading(usage=None, status=UsageStatus.NONE, error=error, complete=complete)


def _free(_body: bytes, *, complete: bool) -> Reading:
    return Reading(usage=None, status=UsageStatus.NONE, complete=complete)
