"""OpenAI-style event streams: withhold the usage chunk that only we asked for.

Withholding is the one place where this dialect family changes what a client receives. A chunk is withheld when it has
an empty ``choices`` array and a usage object, and nothing else is: usage that arrives beside choices is forwarded. To
decide, an event must be complete, so the bytes of an unfinished event wait for their end; chunks that end an event and
mention no token count pass without being looked at.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from bursar.dialects.base import Reading
from bursar.dialects.fields import decoded
from bursar.dialects.payloads import PayloadReader, PayloadStream
from bursar.dialects.sse import SseParser, block_end, data_of, framed
from bursar.dialects.taps import StreamTap

_MARK: Final = b'_tokens"'
"""Part of every usage object (``prompt_tokens``, ``completion_tokens``)."""

_EVENT_END: Final = b"\n\n"
_LONGEST_HELD: Final = 64 * 1024
"""No usage chunk is longer; an event that is, is let through as it arrives."""


class WithholdingTap:
    """Forwards a stream without its usage chunk."""

    __slots__ = ("_between", "_copy", "_finish", "_held", "_passing", "_reader", "_scanned", "_tap")

    def __init__(self, reader: PayloadReader) -> None:
        tap = StreamTap(PayloadStream(SseParser(), reader))
        self._reader = reader
        self._tap = tap
        self._copy = tap.feed
        self._finish = tap.finish
        self._held = bytearray()
        self._scanned = 0
        self._between = True
        """All bytes so far belong to whole events, and none is held."""
        self._passing = False
        """Inside an event too long to be a usage chunk."""

    def feed(self, data: bytes) -> bytes:
        self._copy(data)
        if self._between and data.endswith(_EVENT_END) and _MARK not in data:
            return data
        self._held += data
        return self._release()

    def flush(self) -> bytes:
        rest = bytes(self._held)
        self._held.clear()
        return b"" if is_usage_chunk(rest) else rest

    def seen(self) -> Reading:
        return self._tap.seen()

    def stop(self) -> bytes | None:
        """An unfinished event that is still held is dropped: the client has seen nothing of it."""
        self._tap.stop()
        return None if self._passing else framed(self._reader.closing())

    def finish(self, *, complete: bool) -> Reading:
        return self._finish(complete=complete)

    def _release(self) -> bytes:
        """The bytes of all events that are decided."""
        held = self._held
        out = bytearray()
        start = 0
        while (end := block_end(held, max(start, self._scanned))) >= 0:
            block = bytes(held[start:end])
            if self._passing or not is_usage_chunk(block):
                out += block
            self._passing = False
            start = end
        del held[:start]
        if self._passing or len(held) > _LONGEST_HELD:
            self._passing = True
            kept = _undecided(held)
            out += held[: len(held) - kept]
            del held[: len(held) - kept]
        self._scanned = max(0, len(held) - _BLANK_LINE_BYTES)
        self._between = not held and not self._passing
        return bytes(out)


_BLANK_LINE_BYTES: Final = 4


def _undecided(held: bytearray) -> int:
    """How many trailing bytes may be the beginning of a blank line, which a later byte completes."""
    return len(held) - len(held.rstrip(b"\r\n"))


class _Chunk(Struct):
    choices: Any = None
    usage: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def is_usage_chunk(block: bytes) -> bool:
    """Whether an event carries usage and no choice: the chunk that ``include_usage`` adds."""
    if _MARK not in block:
        return False
    payload = data_of(block)
    chunk = decoded(_CHUNK, payload) if payload else None
    return chunk is not None and chunk.choices == [] and isinstance(chunk.usage, dict)
