"""The contract every wire format fulfils: pure functions and values over bytes, no sockets, no clock.

A dialect knows a provider family's HTTP paths, what of a request policy needs to know, how the provider reports usage,
and how it words an error. The gateway owns the bytes: a dialect may ask for a changed request body (`Request.body`) or
withhold bytes of a stream (`Tap.feed`), and each such change is declared in `Request.changes`.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bursar.dialects.reach import WITHIN, Reach
from bursar.events import Part, UsageStatus
from bursar.money import Pico
from bursar.usage import Usage


class Endpoint(Struct, frozen=True):
    """One metered route of a dialect."""

    dialect: str
    operation: str
    """Stable name such as ``chat.completions`` or ``messages``; part of every row."""
    upstream_path: str
    """Path below the provider's base URL, with a leading slash, percent-encoded as it arrived."""
    billable: bool = True
    """False for listings and token counts, which providers do not charge for; they are recorded all the same."""
    path_model: str | None = None
    """The model, where the path names it (Gemini, Azure deployments, Bedrock)."""
    path_stream: bool = False
    """True where the path itself asks for a stream (streamGenerateContent, converse-stream …)."""


class Request(Struct, frozen=True):
    """What policy and metering need to know of a request."""

    model: str | None
    stream: bool
    body: bytes
    """What to send upstream: the very object that came in unless ``changes`` says otherwise."""
    max_output_tokens: int | None = None
    """The output cap the caller set, times the number of answers asked for; ``None`` when there is none."""
    user: str | None = None
    """Who the caller says it is for: OpenAI's ``user`` or its successor ``safety_identifier``, Anthropic's
    ``metadata.user_id`` (whole: Claude Code packs several ids into it)."""
    metadata: Mapping[str, str] = {}
    service_tier: str | None = None
    """The tier asked for (what is charged is the tier served)."""
    strip_usage: bool = False
    """We asked for a usage chunk that the caller did not; the tap withholds it."""
    changes: tuple[str, ...] = ()
    usage: Usage | None = None
    """Meters the request itself fixes, where the answer reports none: characters to speak, images to draw."""
    reach: Reach = WITHIN
    """What its bytes and its output cap do not show of its worst case."""


class Reading(Struct, frozen=True):
    """What an answer says about its own cost."""

    usage: Usage | None
    status: UsageStatus
    model: str | None = None
    service_tier: str | None = None
    response_id: str | None = None
    raw_usage: str | None = None
    provider_cost: Pico | None = None
    conditions: tuple[tuple[str, str], ...] = ()
    """Further facts that select a price: ("speed", "fast"), ("region", "eu") …, as the provider reported them."""
    error: str | None = None
    """The provider's error type, when the answer, or an event inside the stream, is an error."""
    complete: bool = True
    """The answer reached its own end marker."""
    notes: tuple[str, ...] = ()
    """What a reader of the row must know: a contradiction found, a field estimated, an iteration priced elsewhere."""
    once: str | None = None
    """Set where later answers report the same usage again (a background response that is polled): the name under which
    it may be billed once and no more."""
    parts: tuple[Part, ...] = ()
    """For answers whose iterations ran on several models (Anthropic fallbacks, advisors): each model's own usage.
    Their usages sum to ``usage``; empty when one model did all."""


ErrorAnswer = tuple[tuple[tuple[bytes, bytes], ...], bytes]
"""Header (name, value) pairs, the content type among them, and the body; the length is the gateway's to add."""


class Tap(Protocol):
    """Watches one answer go by. Feed it every body byte in order; how they are split must not matter."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body and return what the client is to get: the same object, unless the request
        declared a change. Never raises on malformed input.
        """
        ...

    def flush(self) -> bytes:
        """The body has ended (or broke off): return bytes still held back."""
        ...

    def seen(self) -> Reading:
        """What the answer has said so far, as an answer that broke off here; the stream may go on afterwards."""
        ...

    def stop(self) -> bytes | None:
        """End a stream that is not read to its end, because its budget is used up: the bytes with which this format
        says that the answer reached its output cap, so that official clients end as after any such answer.

        Empty where the format has no such end. ``None`` while what was forwarded ends inside an event: `feed` then
        returns no more than the rest of that event, after which it is time to ask again. Once there is an end, nothing
        is to be fed or flushed any more.
        """
        ...

    def finish(self, *, complete: bool) -> Reading:
        """What the answer said; ``complete`` tells whether the HTTP body reached its end. Never raises: what cannot be
        understood is a Reading with status MISSING or INCONSISTENT and a note.
        """
        ...


class Dialect(Protocol):
    """One wire format."""

    name: str
    routes: tuple[tuple[str, str], ...]
    """(method, path) of every endpoint, with ``{placeholders}``: what `match` accepts, as `docs/routes.md` lists it."""

    def match(self, method: str, path: str) -> Endpoint | None:
        """The metered endpoint for a method and a path (below the dialect's mount point), or ``None``."""
        ...

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        """Decode only what is needed. Raises Refusal ``invalid_request`` on a body that is not of the format."""
        ...

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        """The same request with an output cap of at most ``tokens`` for each answer, declared in `Request.changes`.

        Only the cap's value changes in the body, or is added to it. ``None`` where the format has no cap, where its
        least value is larger, or where what the caller set besides does not allow so low a cap.
        """
        ...

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        """The watcher for an answer whose head has arrived.

        ``headers`` are the provider's, by lower-case name: Bedrock reports token counts of some models there alone.
        """
        ...

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        """An error in this dialect's own shape, so that its SDKs raise the right exception."""
        ...
