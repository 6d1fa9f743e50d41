"""What every answer of the JSON API is made with."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bursar.control.values import BadTerms

T = TypeVar("T")

Endpoint = Callable[[Request], Awaitable[Response]]


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON; never cached, for the ledger grows and secrets are shown once."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def body_as(body: bytes, kind: type[T]) -> T:
    """A request's body; raises BadTerms when it is something else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as wrong:
        raise BadTerms(f"the body is not what this operation takes: {wrong}") from None


def json_error(message: str, *, status: int) -> Response:
    """The one shape of every error."""
    return json_answer({"error": {"message": message}}, status=status)
