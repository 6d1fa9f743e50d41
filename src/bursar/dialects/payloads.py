"""From a stream's bytes to its payloads: joins a framing (events, array members) with a reader that knows neither."""

from typing import NamedTuple, Protocol

from bursar.dialects.base import Reading


class Event(NamedTuple):
    """A payload to be sent, and its event type where the framing names types."""

    payload: bytes
    kind: str = ""


class PayloadParser(Protocol):
    """Cuts a byte stream into payloads; how the bytes are split does not matter."""

    event_ends: bytes
    """Bytes that a payload's framing can end with."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that these bytes complete."""
        ...

    def close(self) -> list[bytes]:
        """A last payload that the stream left unfinished, if it can be read."""
        ...

    def ending(self, events: list[Event]) -> bytes | None:
        """These events framed as the stream's last; ``None`` inside a payload."""
        ...


class PayloadReader(Protocol):
    """Understands payloads, one at a time."""

    def payload(self, data: bytes) -> None:
        """Take one payload. Never raises."""
        ...

    def closing(self) -> list[Event]:
        """The events that end the stream at this point as if by its output cap."""
        ...

    def reading(self, *, complete: bool) -> Reading:
        """What the payloads said."""
        ...


class PayloadStream:
    """Reads a framed stream, cut anywhere."""

    __slots__ = ("_parser", "_reader", "event_ends")

    def __init__(self, parser: PayloadParser, reader: PayloadReader) -> None:
        self._parser = parser
        self._reader = reader
        self.event_ends = parser.event_ends

    def read(self, data: bytes) -> None:
        take = self._reader.payload
        for payload in self._parser.feed(data):
            take(payload)

    def seen(self) -> Reading:
        return self._reader.reading(complete=False)

    def closing(self) -> bytes | None:
        return self._parser.ending(self._reader.closing())

    def reading(self, *, complete: bool) -> Reading:
        for payload in self._parser.close():
            self._reader.payload(payload)
        return self._reader.reading(complete=complete)
