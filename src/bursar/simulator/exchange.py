"""The values that pass between the server and a dialect: a call comes in, a reply or a problem goes out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from bursar.usage import EMPTY, Usage


class Call(Struct, frozen=True):
    """One request as it arrived, body complete."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names; of repeated ones, the last."""
    body: bytes
    subject: str = ""
    """The model or deployment that the path names."""


ProblemKind = Literal["invalid", "unauthorized", "not_found", "rate_limit", "server_error", "overloaded"]


class Problem(Exception):
    """A request that is answered with an error; the dialect words it."""

    def __init__(self, kind: ProblemKind, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.param = param


class Frame(Struct, frozen=True):
    """Bytes that leave together."""

    data: bytes
    tokens: int = 0
    """Output tokens in it; the next frame waits as long as they take."""
    has_usage: bool = False
    """It carries the usage object."""


class Reply(Struct, frozen=True, kw_only=True):
    """An answer ready for the wire."""

    frames: Iterable[Frame]
    content_type: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_stream: bool = False
    response_id: str | None = None
    model: str | None = None
    usage: Usage = EMPTY
    """What is billed when all of it is generated, as disjoint quantities."""
    named: Callable[[Usage], Mapping[str, Any]] | None = None
    """Words a usage in the provider's own terms; ``None`` where the provider reports none on this endpoint."""
    error_frame: bytes = b""
    """What the dialect sends inside a stream when generation fails."""


def whole(body: bytes, *, has_usage: bool, tokens: int = 0) -> tuple[Frame]:
    """A reply's body in one piece."""
    return (Frame(body, tokens, has_usage),)
