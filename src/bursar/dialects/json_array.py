"""The objects of a streamed JSON array, incrementally: Google's streaming without ``alt=sse`` sends one long array.

Only the outermost braces matter, and braces inside strings do not. One regular expression runs from brace to brace; a
string that is not finished yet is remembered as such, so that a long one (an image) is scanned once.

Memory is bounded as in `sse`: of an oversized object only head and tail are kept.
"""

import re
from typing import Final

from bursar.dialects.payloads import Event
from bursar.dialects.sse import MAX_EVENT_BYTES, WINDOW_BYTES

_TO_BRACE: Final = re.compile(rb'[^"{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}]*+)*+', re.DOTALL)
_TO_QUOTE: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OPENING: Final = ord("{")
_QUOTE: Final = ord('"')


class ArrayParser:
    """Cuts a byte stream into the outermost JSON objects in it, whatever stands between them."""

    event_ends = b"}"

    __slots__ = ("_at", "_depth", "_edge", "_in_string", "_rest", "_start")

    def __init__(self) -> None:
        self._rest = b""
        self._at = 0
        """Everything in ``rest`` before this was scanned."""
        self._start = 0
        """Where the open object begins; of no meaning at depth 0."""
        self._depth = 0
        self._in_string = False
        self._edge = b""
        """The last byte so far that is no white space."""

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete."""
        self._edge = data.rstrip()[-1:] or self._edge
        rest = self._rest + data
        found: list[bytes] = []
        while self._scan(rest):
            symbol = rest[self._at]
            if symbol == _QUOTE:
                self._in_string = not self._in_string
            elif symbol == _OPENING:
                self._start = self._start if self._depth else self._at
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    found.append(rest[self._start : self._at + 1])
            self._at += 1
        self._keep(rest)
        return found

    def close(self) -> list[bytes]:
        """What an unfinished object left: nothing that can be read."""
        self._rest = b""
        return []

    def ending(self, events: list[Event]) -> bytes | None:
        """The events as the array's last members; ``None`` inside a member."""
        if self._depth:
            return None
        if self._edge == b"]":
            return b""
        opening = {b"": b"[", b"}": b",\n" if events else b""}.get(self._edge, b"")
        return opening + b",\n".join(event.payload for event in events) + b"\n]"

    def _scan(self, rest: bytes) -> bool:
        """Move to the next quote or brace that counts; False when the bytes seen so far hold none."""
        pattern = _TO_QUOTE if self._in_string else _TO_BRACE
        stop = pattern.match(rest, self._at)
        self._at = stop.end() if stop else self._at
        return self._at < len(rest) and (not self._in_string or rest[self._at] == _QUOTE)

    def _keep(self, rest: bytes) -> None:
        kept = rest[self._start :] if self._depth else rest[self._at :]
        unscanned = len(rest) - self._at
        if len(kept) > MAX_EVENT_BYTES:
            kept = kept[:WINDOW_BYTES] + kept[-WINDOW_BYTES:]
        self._rest = kept
        self._start = 0
        self._at = len(kept) - unscanned
