"""Anthropic's API: messages, token counts and model listings. Other routes (batches, files …) are not metered."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from bursar.dialects.anthropic_messages import MessageReader, read_messages, with_message_cap
from bursar.dialects.base import Endpoint, ErrorAnswer, Reading, Request, Tap
from bursar.dialects.fields import fields, mapping, text
from bursar.dialects.payloads import PayloadStream
from bursar.dialects.sse import SseParser
from bursar.dialects.taps import BodyTap, StreamTap, is_success
from bursar.errors import Refusal
from bursar.events import UsageStatus

_MODELS: Final = re.compile(r"/v1/models(?:/(?P<model>[^/]+))?")

_ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    431: "request_too_large",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error types by status (docs.anthropic.com, "Errors", read 2026-11); any other is an ``api_error``."""


class Anthropic:
    """The Anthropic API's wire format."""

    name = "anthropic"
    routes: tuple[tuple[str, str], ...] = (
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"),
    )

    def match(self, method: str, path: str) -> Endpoint | None:
        if method == "POST":
            if path == "/v1/messages":
                return Endpoint(self.name, "messages", path)
            if path == "/v1/messages/count_tokens":
                return Endpoint(self.name, "messages.count_tokens", path, billable=False)
            return None
        models = _MODELS.fullmatch(path) if method == "GET" else None
        if models is None:
            return None
        return Endpoint(self.name, "models", path, billable=False, path_model=models["model"])

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        if endpoint.operation == "models":
            return Request(model=endpoint.path_model, stream=False, body=body)
        request = read_messages(endpoint, body)
        if request.model is None:
            raise Refusal("invalid_request", "the request body names no model; set its 'model' field to a string")
        return request

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        return with_message_cap(request, tokens) if endpoint.operation == "messages" else None

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        if not is_success(status):
            return BodyTap(partial(_failure, status=status))
        if not endpoint.billable:
            return BodyTap(_free)
        if content_type.startswith("text/event-stream"):
            return StreamTap(PayloadStream(SseParser(), MessageReader(request)))
        return BodyTap(partial(_message, request=request))

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        kind = _ERROR_TYPES.get(status, "api_error")
        body = {
            "type": "error",
            "error": {"type": kind, "message": message, "code": code},
            "request_id": request_id,
        }
        headers = ((b"content-type", b"application/json"), (b"request-id", request_id.encode()))
        return headers, msgspec.json.encode(body)


def _message(body: bytes, *, complete: bool, request: Request) -> Reading:
    reader = MessageReader(request)
    reader.body(body, complete=complete)
    return reader.reading(complete=complete)


def _failure(body: bytes, *, complete: bool, status: int) -> Reading:
    error = text(mapping(fields(body).get("error")).get("type")) or f"http_{status}"
    return Reading(usage=None, status=UsageStatus.NONE, error=error, complete=complete)


def _free(_body: bytes, *, complete: bool) -> Reading:
    return Reading(usage=None, status=UsageStatus.NONE, complete=complete)
