"""The provider's prompt cache: what part of a prompt was seen before, by whom, and what is written anew.

Two policies, as the providers document them:

* *automatic* (OpenAI, "Prompt caching"; Gemini, "Implicit caching", both read 2026-11): prompts of 1,024 tokens or more
  are matched by prefix in steps of 128 tokens.
* *explicit* (Anthropic, "Prompt caching"; Bedrock's cache points; read 2026-11): the caller marks breakpoints with a
  lifetime of five minutes or an hour. The longest cached prefix that ends on a piece at most twenty pieces before a
  breakpoint is read, what lies between it and the last breakpoint is written. Shorter prefixes than 1,024 tokens are
  not cached; the real limit differs by model, this one does not.

Entries are kept apart by scope (credential and model), refreshed when read, and dropped oldest first.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bursar.clock import Clock
from bursar.simulator.tokens import BYTES_PER_TOKEN, CacheTtl, Piece

_LEAST_TOKENS: Final = 1024
_STEP_TOKENS: Final = 128
_LOOK_BACK: Final = 20
_ENTRIES: Final = 200_000
_TTL_US: Final[dict[CacheTtl, int]] = {"5m": 300 * 1_000_000, "1h": 3600 * 1_000_000}
_AUTOMATIC_TTL_US: Final = 600 * 1_000_000


class Lookup(Struct, frozen=True):
    """How a prompt met the cache, in tokens from its start; the rest was processed and not written."""

    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    written_automatic: int = 0
    """What an automatic cache keeps of the prompt beyond what it read."""


NOT_CACHED: Final = Lookup()


class PromptCache:
    """Prefixes seen, with the instant each is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expiry: OrderedDict[bytes, int] = OrderedDict()

    def automatic(self, scope: bytes, prompt: Sequence[Piece]) -> Lookup:
        """Match a prompt by prefix in fixed steps, and remember it."""
        content = b"".join(piece.content for piece in prompt)
        total = len(content) // BYTES_PER_TOKEN
        if total < _LEAST_TOKENS:
            return NOT_CACHED
        running = hashlib.blake2b(scope, digest_size=16)
        read = 0
        steps = (total - 1) // _STEP_TOKENS
        size = _STEP_TOKENS * BYTES_PER_TOKEN
        for step in range(steps):
            running.update(content[step * size : (step + 1) * size])
            key = running.digest()
            tokens = (step + 1) * _STEP_TOKENS
            if read == step * _STEP_TOKENS and self._is_known(key):
                read = tokens
            self._remember(key, _AUTOMATIC_TTL_US)
        if read < _LEAST_TOKENS:
            read = 0
        return Lookup(read=read, written_automatic=steps * _STEP_TOKENS - read)

    def explicit(self, scope: bytes, prompt: Sequence[Piece]) -> Lookup:
        """Read the longest known prefix near a breakpoint, and write from there to the last breakpoint."""
        ends = _prefixes(scope, prompt)
        marks = [index for index, piece in enumerate(prompt) if piece.breakpoint and ends[index][1] >= _LEAST_TOKENS]
        if not marks:
            return NOT_CACHED
        read = self._longest_known(ends, marks)
        written: dict[CacheTtl, int] = {"5m": 0, "1h": 0}
        start = read
        for index in marks:
            key, tokens = ends[index]
            ttl = prompt[index].breakpoint or "5m"
            written[ttl] += max(0, tokens - start)
            start = max(start, tokens)
            self._remember(key, _TTL_US[ttl])
        return Lookup(read=read, written_5m=written["5m"], written_1h=written["1h"])

    def _longest_known(self, ends: Sequence[tuple[bytes, int]], marks: Sequence[int]) -> int:
        for mark in reversed(marks):
            for index in range(mark, max(-1, mark - _LOOK_BACK), -1):
                key, tokens = ends[index]
                if self._is_known(key):
                    return tokens
        return 0

    def _is_known(self, key: bytes) -> bool:
        return self._expiry.get(key, 0) > self._clock.monotonic_us()

    def _remember(self, key: bytes, ttl_us: int) -> None:
        self._expiry[key] = max(self._expiry.get(key, 0), self._clock.monotonic_us() + ttl_us)
        self._expiry.move_to_end(key)
        if len(self._expiry) > _ENTRIES:
            self._expiry.popitem(last=False)


def _prefixes(scope: bytes, prompt: Sequence[Piece]) -> list[tuple[bytes, int]]:
    running = hashlib.blake2b(scope, digest_size=16)
    tokens = 0
    ends = []
    for piece in prompt:
        running.update(piece.content)
        tokens += piece.tokens
        ends.append((running.digest(), tokens))
    return ends
