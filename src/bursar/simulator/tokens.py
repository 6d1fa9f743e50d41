"""The simulator's tokeniser: four UTF-8 bytes a token, each part of a prompt rounded up to whole tokens.

No real tokeniser is meant to be matched, only its order of magnitude (OpenAI, "What are tokens", read 2026-11: about
four characters of English a token). The rule is simple on purpose: who builds a prompt can know its count beforehand.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

BYTES_PER_TOKEN: Final = 4

Kind = Literal["text", "image", "audio"]
CacheTtl = Literal["5m", "1h"]

_WORD: Final = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")


def count_tokens(text: str) -> int:
    """Tokens of a text, rounded up; none for an empty one."""
    size = len(text) if text.isascii() else len(text.encode())
    return -(-size // BYTES_PER_TOKEN)


def words_of(text: str) -> Iterator[tuple[str, int]]:
    """Cut a text into words and say how many tokens each adds, so that the parts add up to the whole."""
    seen = 0
    counted = 0
    for word in _WORD.findall(text):
        seen += len(word) if word.isascii() else len(word.encode())
        total = -(-seen // BYTES_PER_TOKEN)
        yield word, total - counted
        counted = total


class Piece(Struct, frozen=True):
    """One part of a prompt: a text, an image, a stretch of audio, a tool's declaration."""

    content: bytes
    """Whole tokens: padded with NULs to a multiple of `BYTES_PER_TOKEN`."""
    kind: Kind = "text"
    breakpoint: CacheTtl | None = None
    """The caller asks for the prompt up to and including this piece to be cached for so long."""

    @property
    def tokens(self) -> int:
        """How many tokens this piece is."""
        return len(self.content) // BYTES_PER_TOKEN


def text_piece(text: str, ttl: CacheTtl | None = None) -> Piece:
    """A text as a piece of a prompt."""
    content = text.encode()
    return Piece(content + bytes(-len(content) % BYTES_PER_TOKEN), "text", ttl)


def media_piece(source: bytes, kind: Kind, tokens: int, ttl: CacheTtl | None = None) -> Piece:
    """An image or audio as a piece of ``tokens`` tokens whose content follows from its source."""
    digest = hashlib.blake2b(source, digest_size=32).digest()
    size = tokens * BYTES_PER_TOKEN
    return Piece((digest * (size // len(digest) + 1))[:size], kind, ttl)
