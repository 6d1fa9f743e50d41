"""A request that is described instead of sent: what `POST /api/v1/check` and `bursar explain --dry-run` take."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bursar.clock import Clock
from bursar.gateway.headers import PER_CALL, RequestHead
from bursar.gateway.pipeline import Incoming

DEFAULT_PATH: Final = "/v1/chat/completions"

_JSON: Final = (b"content-type", b"application/json")


class CheckQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request, and as whom it is looked at."""

    path: str = DEFAULT_PATH
    """Path and query as they would be sent to the gateway."""
    method: str = "POST"
    headers: Mapping[str, str] = {}
    """Such as `x-bursar-feature`; `content-type` is JSON unless stated."""
    body: msgspec.Raw = msgspec.Raw(b"")
    """The body as JSON; none at all for a request without one."""
    key: str | None = None
    """Name of the virtual key; only with the admin token."""


def incoming_of(asked: CheckQuestion, clock: Clock, *, peer: Callable[[], str | None]) -> Incoming:
    """The request as the gateway would meet it now. Header names may have any case."""
    own: dict[bytes, bytes] = {}
    others: list[tuple[bytes, bytes]] = []
    for name, value in _headers(asked.headers):
        if name in PER_CALL:
            own[name] = value
        else:
            others.append((name, value))
    path, _, query = asked.path.partition("?")
    return Incoming(
        call_id=clock.new_id(),
        at_us=clock.now_us(),
        method=asked.method.upper(),
        path=quote(path, safe="/%:@!$&'()*+,;=~-._"),
        query=query,
        head=RequestHead(others),
        own=own,
        body=bytes(asked.body),
        peer=peer,
    )


def _headers(given: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    names = {name.lower() for name in given}
    if "content-type" not in names:
        yield _JSON
    for name, value in given.items():
        yield name.lower().encode("latin-1", "replace"), value.encode("utf-8")
