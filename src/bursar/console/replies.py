"""What every answer of the JSON API is made with."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON; never cached, for the ledger grows and secrets are shown once."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def json_error(message: str, *, status: int) -> Response:
    """The one shape of every error."""
    return json_answer({"error": {"message": message}}, status=status)
