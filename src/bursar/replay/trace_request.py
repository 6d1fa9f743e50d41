"""One request of a trace, and what is said about a trace that cannot be read."""

from msgspec import Struct

from bursar.errors import BursarError


class TraceError(BursarError):
    """A trace cannot be read; the message names the file, the line, the column and the way out."""


class TraceRequest(Struct, frozen=True, kw_only=True):
    """When a request came and how large it was; a trace holds no prompts."""

    at_s: float
    """Seconds after the trace's first request; a trace need not be in order."""
    input_tokens: int
    output_tokens: int
    model: str | None = None
    """``None`` where the trace names none."""
    tags: tuple[tuple[str, str], ...] = ()
    """Sorted (name, value) pairs, for attribution."""
    prefix_blocks: tuple[int, ...] = ()
    """Ids of the blocks that the prompt begins with; equal ids in one scope are equal text."""
    block_tokens: int = 0
    """Size of a block; the prompt's end may cut the last one."""
    scope: str = ""
    """Within which block ids are comparable."""
    task: str | None = None
    """What the request belongs to: a session, a conversation."""
