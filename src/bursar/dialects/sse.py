"""Server-sent events, incrementally: cut a byte stream into events whatever the chunks, line ends or comments.

WHATWG HTML §9.2 (server-sent events): lines end in LF, CRLF or CR, a blank line ends an event, a colon starts a
comment, several ``data`` lines make one payload, a byte order mark may open the stream. The trap is a lone CR at the
end of a chunk: it may be half of a CRLF, so it decides nothing until the next byte is there.

Memory is bounded: of an event longer than `MAX_EVENT_BYTES` only head and tail are kept. What is left of a JSON payload
whose bulk is one long string (an image, a sound) is then still valid JSON with a shorter string.
"""

import re
from typing import Final

from bursar.dialects.payloads import Event

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
WINDOW_BYTES: Final = 64 * 1024
"""How much of the head and of the tail of an oversized event or body is kept."""

_LINE_END: Final = rb"(?:\r\n|\n|\r(?=[^\n]))"
_BLANK_LINE: Final = re.compile(_LINE_END + _LINE_END)
_LONGEST_BLANK_LINE: Final = 4
_DATA: Final = b"data: "
_NEXT_DATA: Final = b"\n\n" + _DATA
_BOM: Final = b"\xef\xbb\xbf"


def block_end(buffer: bytes | bytearray, start: int = 0) -> int:
    """The index just past the first blank line at or after ``start``, or -1 while there is none for certain."""
    found = _BLANK_LINE.search(buffer, start)
    return found.end() if found else -1


def data_of(block: bytes) -> bytes | None:
    """The payload of one event block, its data lines joined by LF; ``None`` for comments and empty blocks."""
    if b"\r" not in block:
        last = block.rfind(b"\n") + 1
        if block.startswith(b"data: ", last) and block.find(b"data", 0, last) < 0:
            return block[last + 6 :]
    lines = []
    for line in block.splitlines():
        name, colon, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if colon and value.startswith(b" ") else value)
    return b"\n".join(lines) if lines else None


def framed(events: list[Event]) -> bytes:
    """Events in the framing of server-sent events."""
    return b"".join(
        (b"event: %s\n" % event.kind.encode() if event.kind else b"") + b"data: %s\n\n" % event.payload
        for event in events
    )


class SseParser:
    """Turns the chunks of one stream into event payloads, in order."""

    event_ends = b"\r\n"

    def __init__(self) -> None:
        self._rest = bytearray()
        self._started = False
        self.trimmed = False
        """Whether the middle of an oversized event was dropped."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that these bytes complete."""
        if not self._started:
            data = self._without_bom(data)
        rest = self._rest
        if rest:
            search_from = max(0, len(rest) - _LONGEST_BLANK_LINE)
            rest += data
            end = block_end(rest, search_from)
            if end < 0:
                self._trim()
                return []
            block, data = bytes(rest[:end]), bytes(rest[end:])
            rest.clear()
            return _payloads([block]) + self._cut(data)
        return self._cut(data)

    def close(self) -> list[bytes]:
        """The payload of a last event that no blank line ended; providers that break off or are careless leave one."""
        block = bytes(self._rest)
        self._rest.clear()
        return _payloads([block]) if block else []

    def ending(self, events: list[Event]) -> bytes | None:
        """The events as the last of the stream; ``None`` inside an event."""
        return None if self._rest else framed(events)

    def _without_bom(self, data: bytes) -> bytes:
        data = bytes(self._rest) + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._rest[:] = data
            return b""
        self._rest.clear()
        self._started = True
        return data.removeprefix(_BOM)

    def _cut(self, data: bytes) -> list[bytes]:
        if b"\r" in data:
            blocks, rest = _blocks_of(data)
            payloads = _payloads(blocks)
        else:
            whole, _, rest = data.rpartition(b"\n\n")
            payloads = _plain_payloads(whole) if whole else []
        self._rest += rest
        self._trim()
        return payloads

    def _trim(self) -> None:
        if len(self._rest) > MAX_EVENT_BYTES:
            del self._rest[WINDOW_BYTES:-WINDOW_BYTES]
            self.trimmed = True


def _blocks_of(data: bytes) -> tuple[list[bytes], bytes]:
    blocks = []
    start = 0
    while (end := block_end(data, start)) >= 0:
        blocks.append(data[start:end])
        start = end
    return blocks, data[start:]


def _plain_payloads(whole: bytes) -> list[bytes]:
    """Payloads of events whose lines end in LF.

    Streams of bare one-line data events are cut by one split, which is right when its separators are all the line ends.
    """
    if whole.startswith(_DATA):
        payloads = whole[len(_DATA) :].split(_NEXT_DATA)
        if whole.count(b"\n") == 2 * (len(payloads) - 1):
            return payloads
    return _payloads(whole.split(b"\n\n"))


def _payloads(blocks: list[bytes]) -> list[bytes]:
    return [payload for block in blocks if (payload := data_of(block)) is not None]
