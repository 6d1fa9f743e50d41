"""From a stream's bytes to its payloads: joins a framing (events, array members) with a reader that knows neither."""

from typing import Protocol

from bursar.dialects.base import Reading


class PayloadParser(Protocol):
    """Cuts a byte stream into payloads; how the bytes are split does not matter."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that these bytes complete."""
        ...

    def close(self) -> list[bytes]:
        """A last payload that the stream left unfinished, if it can be read."""
        ...


class PayloadReader(Protocol):
    """Understands payloads, one at a time."""

    def payload(self, data: bytes) -> None:
        """Take one payload. Never raises."""
        ...

    def reading(self, *, complete: bool) -> Reading:
        """What the payloads said."""
        ...


class PayloadStream:
    """Reads a framed stream, cut anywhere."""

    __slots__ = ("_parser", "_reader")

    def __init__(self, parser: PayloadParser, reader: PayloadReader) -> None:
        self._parser = parser
        self._reader = reader

    def read(self, data: bytes) -> None:
        take = self._reader.payload
        for payload in self._parser.feed(data):
            take(payload)

    def reading(self, *, complete: bool) -> Reading:
        for payload in self._parser.close():
            self._reader.payload(payload)
        return self._reader.reading(complete=complete)
