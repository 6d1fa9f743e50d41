"""Which endpoint a method and path name, in which dialect; the table is the list of what the simulator speaks."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from bursar.simulator.exchange import Call, Problem, Reply
from bursar.simulator.generation import Request
from bursar.simulator.openai_chat import chat_completions
from bursar.simulator.openai_errors import Refusal, openai_refusal

Handler = Callable[[Request], Reply]
Refuse = Callable[[Problem, str], Refusal]


class Route(Struct, frozen=True):
    """One endpoint."""

    dialect: str
    operation: str
    handler: Handler
    refuse: Refuse
    request_id_header: bytes
    billable: bool = True


def _openai(operation: str, handler: Handler, *, billable: bool = True) -> Route:
    return Route("openai", operation, handler, openai_refusal, b"x-request-id", billable)


_OPENAI: Final[Mapping[str, Route]] = {
    "/chat/completions": _openai("chat.completions", chat_completions),
}


def find(call: Call) -> tuple[Route, Call]:
    """The endpoint of a call, and the call with the model its path names; an unknown path gets a route that says so."""
    route = _OPENAI.get(call.path.removeprefix("/v1")) if call.path.startswith("/v1/") else None
    return route or _UNKNOWN, call


def _unknown(request: Request) -> Reply:
    call = request.call
    raise Problem("not_found", f"Invalid URL ({call.method} {call.path})", code="unknown_url")


_UNKNOWN: Final = _openai("unknown", _unknown, billable=False)
