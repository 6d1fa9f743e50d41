"""Traces of coding agents: one JSON file a session, with the blocks that its prompts share.

A request tells when it came (seconds from the session's start), model, sizes, and ``hash_ids``, one for each full block
of ``block_size`` tokens; ids are comparable inside the session. A sub-agent holds requests of its own, timed from its
start.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from bursar.replay.trace_request import TraceError, TraceRequest


class _Request(Struct):
    t: float
    model: str | None = None
    input_tokens: int | None = field(name="in", default=None)
    output_tokens: int | None = field(name="out", default=None)
    hash_ids: tuple[int, ...] = ()
    agent_id: str | None = None
    requests: tuple["_Request", ...] | None = None
    """Set for a sub-agent."""


class _Session(Struct):
    id: str
    requests: tuple[_Request, ...]
    block_size: int = 64


def read_session(text: str, *, source: str) -> Iterator[TraceRequest]:
    """The requests of one session in the order of their time; raises TraceError for anything else than a session."""
    try:
        session = msgspec.json.decode(text, type=_Session)
    except msgspec.DecodeError as broken:
        raise TraceError(f"{source}: not an agent session: {broken}; other traces are .csv, .tsv or .jsonl") from None
    found = list(_requests(session, session.requests, start_s=0.0, source=source))
    yield from sorted(found, key=lambda request: request.at_s)


def _requests(
    session: _Session, requests: tuple[_Request, ...], *, start_s: float, source: str
) -> Iterator[TraceRequest]:
    for number, one in enumerate(requests, start=1):
        at_s = start_s + one.t
        if one.requests is not None:
            yield from _requests(session, one.requests, start_s=at_s, source=source)
            continue
        if one.input_tokens is None or one.output_tokens is None:
            raise TraceError(f"{source}: request {number} at {at_s:g} s has no 'in' or 'out'; add the token counts")
        yield TraceRequest(
            at_s=at_s,
            input_tokens=one.input_tokens,
            output_tokens=one.output_tokens,
            model=one.model,
            prefix_blocks=one.hash_ids,
            block_tokens=session.block_size,
            scope=session.id,
            task=session.id,
        )
