"""Chunks of a chat stream that differ from an earlier one in their words alone, told without decoding them.

Most chunks of a stream are the same bytes around a few words. Once one of them was decoded and found plain, a chunk
that begins and ends like it, with nothing but unescaped text where the words were, says the same with other words.
OpenAI pads chunks with a random `obfuscation` (API reference, "stream_options", read 2026-11); it may differ as well.
"""

from typing import Final

_WORDS: Final = b'"content":"'
_PADDING: Final = b'"obfuscation":"'
_QUOTE: Final = b'"'
_ESCAPE: Final = b"\\"


class ChunkTemplate:
    """What plain chunks of one stream look like; learnt from the chunk that was decoded last."""

    __slots__ = ("_around", "_between", "_head", "_tail")

    def __init__(self) -> None:
        self._head = b""
        """Up to the words; empty until one was learnt."""
        self._between = b""
        """From the end of the words to the padding; empty where chunks have none."""
        self._tail = b""
        self._around = 0

    def forget(self) -> None:
        """Another chunk was decoded: what came before it is no example any more."""
        self._head = b""

    def learn(self, chunk: bytes, words_bytes: int) -> None:
        """Take a chunk as an example, if its ``words_bytes`` bytes of text stand in it once and unescaped."""
        start = chunk.find(_WORDS) + len(_WORDS)
        end = start + words_bytes
        if start < len(_WORDS) or chunk.find(_WORDS, start) >= 0 or chunk.find(_QUOTE, start) != end:
            return
        if _ESCAPE in chunk:
            return
        padding = chunk.find(_PADDING, end)
        if padding < 0:
            between, tail = b"", chunk[end:]
        else:
            padding += len(_PADDING)
            between, tail = chunk[end:padding], chunk[chunk.index(_QUOTE, padding) :]
        self._head, self._between, self._tail = chunk[:start], between, tail
        self._around = start + len(tail)

    def words_bytes(self, chunk: bytes) -> int | None:
        """How many bytes of text a chunk adds; ``None`` where only decoding it can tell."""
        head, tail = self._head, self._tail
        if not head or len(chunk) < self._around or not chunk.startswith(head) or not chunk.endswith(tail):
            return None
        words = chunk[len(head) : len(chunk) - len(tail)]
        if self._between:
            words, between, padding = words.partition(self._between)
            if not between or _QUOTE in padding or _ESCAPE in padding:
                return None
        return None if _QUOTE in words or _ESCAPE in words or not words.isascii() else len(words)
