"""Build a request whose prompt has exactly the size that a trace says, and shares what the trace says it shares.

Sizes are met under the simulated provider's rule, four bytes a token, each text of a message rounded up; a real one
counts somewhat differently. Blocks with equal ids in one scope become equal text, so that prompt caches behave as they
did. Claude models get Anthropic's dialect, with the last full section marked for caching; the rest get OpenAI's.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from bursar.replay.trace_request import TraceRequest

BYTES_PER_TOKEN: Final = 4
MESSAGES_PATH: Final = "/v1/messages"
_CHAT_PATH: Final = "/v1/chat/completions"

_SECTION_TOKENS: Final = 1024
"""Blocks are sent in sections of at least this size, since Anthropic looks for cached prefixes at the ends of texts."""
_WORDS: Final = (
    "account", "balance", "carrier", "deposit", "estimate", "freight", "garden", "harbour", "invoice", "journey",
    "kitchen", "ledger", "market", "notice", "orchard", "parcel", "quarter", "receipt", "shipment", "timber",
)  # fmt: skip


class Prompt(Struct, frozen=True):
    """A request ready to be sent to the gateway."""

    path: str
    """Below the gateway's base URL."""
    body: bytes


def build_prompt(request: TraceRequest, *, model: str, stream: bool, number: int) -> Prompt:
    """The request for one line of a trace; ``number`` tells prompts apart that share nothing."""
    sections = list(_sections(request, number))
    if model.startswith("claude"):
        return Prompt(MESSAGES_PATH, msgspec.json.encode(_messages(request, sections, model=model, stream=stream)))
    return Prompt(_CHAT_PATH, msgspec.json.encode(_chat(request, sections, model=model, stream=stream)))


def _chat(request: TraceRequest, sections: list[str], *, model: str, stream: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "".join(sections)}],
        "max_completion_tokens": max(1, request.output_tokens),
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _messages(request: TraceRequest, sections: list[str], *, model: str, stream: bool) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": section} for section in sections]
    shared = len(request.prefix_blocks) * request.block_tokens // _section_tokens(request)
    if shared:
        blocks[min(shared, len(blocks)) - 1]["cache_control"] = {"type": "ephemeral"}
    return {
        "model": model,
        "max_tokens": max(1, request.output_tokens),
        "messages": [{"role": "user", "content": blocks}],
        "stream": stream,
    }


def _sections(request: TraceRequest, number: int) -> Iterator[str]:
    """The prompt's text, cut at the ends of sections; every section is a whole number of tokens."""
    left = request.input_tokens * BYTES_PER_TOKEN
    size = request.block_tokens * BYTES_PER_TOKEN
    per_section = _section_tokens(request) // request.block_tokens if request.block_tokens else 1
    blocks = request.prefix_blocks
    for start in range(0, len(blocks), per_section):
        section = "".join(_block_text(request.scope, one, size) for one in blocks[start : start + per_section])[:left]
        if section:
            yield section
        left -= len(section)
    if left:
        yield _filler(f"{request.scope}/{request.task}/{number}", left)


def _section_tokens(request: TraceRequest) -> int:
    return max(1, -(-_SECTION_TOKENS // max(1, request.block_tokens))) * max(1, request.block_tokens)


@lru_cache(maxsize=8192)
def _block_text(scope: str, block: int, size: int) -> str:
    return _filler(f"{scope}#{block}", size)


def _filler(seed: str, size: int) -> str:
    """ASCII prose of so many bytes that follows from the seed; it begins with a mark of its own."""
    digest = hashlib.blake2b(seed.encode(), digest_size=16).digest()
    words = " ".join([digest.hex()[:12], *(_WORDS[byte % len(_WORDS)] for byte in digest)]) + " "
    return (words * (size // len(words) + 1))[:size]
