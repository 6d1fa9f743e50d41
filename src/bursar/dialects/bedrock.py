"""Amazon Bedrock's runtime: Converse and InvokeModel, streamed or not; async and guardrail routes are unmetered."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from bursar.dialects.anthropic_messages import read_messages, with_message_cap
from bursar.dialects.base import Endpoint, ErrorAnswer, Reading, Request, Tap
from bursar.dialects.bedrock_blocks import Reaching, converse_reach, invocation_reach
from bursar.dialects.bedrock_converse import ConverseReader, ConverseStream
from bursar.dialects.bedrock_invoke import InvocationStream, read_invocation
from bursar.dialects.fields import document, fields, mapping, required, string_map, text, whole
from bursar.dialects.output_cap import Place, with_cap
from bursar.dialects.taps import BodyTap, StreamTap, is_success
from bursar.events import UsageStatus

_ROUTE: Final = re.compile(r"/model/(?P<model>[^?#]+)/(?P<method>[a-z-]+)")
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)*")
_NAMED_MODEL: Final = re.compile(r"arn:[^/]*:(?:inference-profile|foundation-model)/(.+)")
"""ARNs that end in a model or system inference profile id, which prices are listed by."""

_OPERATIONS: Final[Mapping[str, tuple[str, bool, bool]]] = {
    "converse": ("converse", False, True),
    "converse-stream": ("converse", True, True),
    "invoke": ("invoke_model", False, True),
    "invoke-with-response-stream": ("invoke_model", True, True),
    "count-tokens": ("count_tokens", False, False),
}
"""Operation, whether it streams, whether it is charged for, by the last part of the path."""

_ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    405: "ValidationException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    429: "ThrottlingException",
    431: "ValidationException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ServiceUnavailableException",
}
"""Modelled exceptions of bedrock-runtime (botocore 1.44, service model) by status; any other is internal."""


class _Converse(Reaching, rename="camel"):
    inference_config: Raw = Raw()
    service_tier: Raw = Raw()
    request_metadata: Raw = Raw()


class _Invocation(Struct):
    """The bounds of every family: the one that is there counts."""

    anthropic_version: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_gen_len: Any = None
    maxTokens: Any = None  # noqa: N815 - wire name
    n: Any = None
    num_generations: Any = None
    inferenceConfig: Raw = Raw()  # noqa: N815 - wire name
    textGenerationConfig: Raw = Raw()  # noqa: N815 - wire name


_CONVERSE: Final = msgspec.json.Decoder(_Converse)
_INVOCATION: Final = msgspec.json.Decoder(_Invocation)


class Bedrock:
    """The wire formats of Bedrock's runtime."""

    name = "bedrock"
    routes: tuple[tuple[str, str], ...] = tuple(("POST", f"/model/{{model}}/{method}") for method in _OPERATIONS)

    def match(self, method: str, path: str) -> Endpoint | None:
        route = _ROUTE.fullmatch(path)
        if method != "POST" or route is None or route["method"] not in _OPERATIONS:
            return None
        model = unquote(route["model"])
        if not _MODEL.fullmatch(model):
            return None
        operation, streams, billable = _OPERATIONS[route["method"]]
        named = _NAMED_MODEL.fullmatch(model)
        return Endpoint(
            self.name,
            operation,
            path,
            billable=billable,
            path_model=named[1] if named else model,
            path_stream=streams,
        )

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        if endpoint.operation == "invoke_model":
            return _read_invocation(endpoint, body)
        asked = required(_CONVERSE, body)
        return Request(
            model=endpoint.path_model,
            stream=endpoint.path_stream,
            body=body,
            max_output_tokens=whole(fields(asked.inference_config).get("maxTokens")),
            metadata=string_map(document(asked.request_metadata)) if asked.request_metadata else {},
            service_tier=text(fields(asked.service_tier).get("type")),
            reach=converse_reach(asked),
        )

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        if endpoint.operation == "converse":
            return None if _thinks_as_much(request.body, tokens) else with_cap(request, _CONVERSE_CAP, tokens)
        return _with_invocation_cap(request, tokens) if endpoint.operation == "invoke_model" else None

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        if not is_success(status):
            return BodyTap(partial(_failure, status=status, headers=headers))
        if not endpoint.billable:
            return BodyTap(_free)
        if endpoint.operation == "invoke_model":
            if endpoint.path_stream:
                return StreamTap(InvocationStream(request, headers))
            return BodyTap(partial(read_invocation, request=request, headers=headers))
        reader = ConverseReader(request, response_id=headers.get("x-amzn-requestid"))
        if endpoint.path_stream:
            return StreamTap(ConverseStream(reader))
        return BodyTap(partial(_converse, reader=reader))

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        kind = _ERROR_TYPES.get(status, "InternalServerException")
        headers = (
            (b"content-type", b"application/json"),
            (b"x-amzn-errortype", kind.encode()),
            (b"x-amzn-requestid", request_id.encode()),
        )
        return headers, msgspec.json.encode({"message": message, "code": code})


def _read_invocation(endpoint: Endpoint, body: bytes) -> Request:
    asked = required(_INVOCATION, body)
    if asked.anthropic_version is not None:
        return read_messages(endpoint, body)
    nova, titan = fields(asked.inferenceConfig), fields(asked.textGenerationConfig)
    caps = (
        asked.max_tokens,
        asked.max_completion_tokens,
        asked.max_gen_len,
        asked.maxTokens,
        nova.get("maxTokens"),
        nova.get("max_new_tokens"),
        titan.get("maxTokenCount"),
    )
    cap = max((bound for bound in map(whole, caps) if bound), default=None)
    answers = whole(asked.n) or whole(asked.num_generations) or 1
    return Request(
        model=endpoint.path_model,
        stream=endpoint.path_stream,
        body=body,
        max_output_tokens=cap * answers if cap else None,
        reach=invocation_reach(fields(body), answers=answers),
    )


_CONVERSE_CAP: Final = Place(("maxTokens",), ("inferenceConfig",))
_INVOCATION_CAPS: Final = (
    Place(("max_tokens", "max_completion_tokens", "max_gen_len", "maxTokens")),
    Place(("maxTokens", "max_new_tokens"), ("inferenceConfig",)),
    Place(("maxTokenCount",), ("textGenerationConfig",)),
)


def _with_invocation_cap(request: Request, tokens: int) -> Request | None:
    """Lower the caps that the caller set. Where there is none, only Claude's bodies tell which family takes it."""
    if "anthropic_version" in fields(request.body):
        return with_message_cap(request, tokens)
    capped = None
    for place in _INVOCATION_CAPS:
        capped = with_cap(capped or request, place, tokens, may_add=False) or capped
    return capped


def _thinks_as_much(body: bytes, tokens: int) -> bool:
    """Whether Claude is given a thinking budget that a cap must exceed."""
    own = mapping(fields(body).get("additionalModelRequestFields"))
    budgets = [mapping(own.get(name)).get("budget_tokens") for name in ("thinking", "reasoning_config")]
    return any(budget is not None and budget >= tokens for budget in map(whole, budgets))


def _converse(body: bytes, *, complete: bool, reader: ConverseReader) -> Reading:
    reader.whole(body, complete=complete)
    return reader.reading(complete=complete)


def _failure(body: bytes, *, complete: bool, status: int, headers: Mapping[str, str]) -> Reading:
    kind = headers.get("x-amzn-errortype") or text(fields(body).get("__type")) or f"http_{status}"
    error = kind.partition(":")[0].rpartition("#")[2]
    return Reading(usage=None, status=UsageStatus.NONE, error=error, complete=complete)


def _free(_body: bytes, *, complete: bool) -> Reading:
    return Reading(usage=None, status=UsageStatus.NONE, complete=complete)
