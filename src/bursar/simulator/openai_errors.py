"""OpenAI's error objects (API reference "Error codes", and recorded answers; read 2026-11)."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bursar.simulator.exchange import Problem, ProblemKind
from bursar.simulator.sse import data_event, encode


class Refusal(Struct, frozen=True):
    """An error ready for the wire."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


_KINDS: Final[Mapping[ProblemKind, tuple[int, str, str | None]]] = {
    "invalid": (400, "invalid_request_error", None),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "server_error": (500, "server_error", None),
    "overloaded": (503, "service_unavailable_error", None),
}


def openai_refusal(problem: Problem, _: str) -> Refusal:
    """Word a problem the way OpenAI does."""
    status, kind, code = _KINDS[problem.kind]
    error = {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code or code}
    return Refusal(status, encode({"error": error}))


def azure_refusal(problem: Problem, request_id: str) -> Refusal:
    """Word a problem the way Azure does: its own refusals are a bare code and message, OpenAI's pass through."""
    status, _, code = _KINDS[problem.kind]
    if problem.kind == "not_found":
        code = "DeploymentNotFound"
    if problem.kind == "invalid":
        return openai_refusal(problem, request_id)
    body = {"error": {"code": code if code and code[0].isupper() else str(status), "message": problem.message}}
    return Refusal(status, encode(body))


STREAM_ERROR: Final = data_event(
    {
        "error": {
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }
)
