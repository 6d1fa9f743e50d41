"""The provider's own books: what it served and what it would bill, kept apart from whatever the gateway believes."""

from collections import deque
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from threading import Condition
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from bursar.usage import EMPTY, Meter, Usage


class Entry(Struct, frozen=True, kw_only=True):
    """One request, whatever became of it."""

    sequence: int
    """Order of arrival, from 1."""
    at_us: int
    dialect: str
    operation: str
    method: str
    path: str
    status: int
    """HTTP status; 0 when the connection was reset before a head."""
    model: str | None
    """The model as it was named in the answer."""
    stream: bool
    response_id: str | None
    request_id: str | None
    """The request id the caller sent (`x-client-request-id` or `x-request-id`)."""
    provider_request_id: str
    """The request id the answer carried."""
    credential: str
    """What the caller presented as its key."""
    header_names: tuple[str, ...]
    """Names of the headers that arrived, sorted."""
    request_sha256: str
    """Of the body as it arrived."""
    request_bytes: int
    response_bytes: int
    """Body bytes handed to the connection."""
    fault: str | None
    billed: bool
    """Something was generated or processed that the provider charges for."""
    usage: Mapping[str, Any] | None
    """What was generated in the provider's own words and nesting; ``None`` where the endpoint reports none."""
    quantities: Mapping[str, int]
    """The same as disjoint quantities by meter; empty when nothing is billed."""
    usage_sent: bool
    """The usage object was put on the wire, true and whole."""
    was_reset: bool
    """The simulator broke the connection off."""
    client_left: bool
    """The client had gone before the answer ended."""
    elapsed_us: int


class Summary(Struct, frozen=True):
    """Totals over all entries ever made, those no longer in memory included."""

    requests: int
    billed: int
    errors: int
    resets: int
    client_left: int
    quantities: Mapping[str, int]
    by_model: Mapping[str, Mapping[str, int]]


class Account:
    """Append-only; readable from any thread while it grows."""

    def __init__(self, *, entries: int, file: Path | None = None) -> None:
        self._entries: deque[Entry] = deque(maxlen=entries)
        self._file: BinaryIO | None = file.open("ab") if file else None
        self._requests = self._billed = self._errors = self._resets = self._left = 0
        self._usage = EMPTY
        self._by_model: dict[str, Usage] = {}

        self._grown = Condition()

    def record(self, entry: Entry, usage: Usage) -> None:
        """Add one entry; ``usage`` is what it is billed for, empty when it is not."""
        with self._grown:
            self._add(entry, usage)
            self._grown.notify_all()

    def wait_for(self, entries: int, *, timeout_s: float) -> bool:
        """Block another thread than the server's until there are so many entries; False when they do not come."""
        with self._grown:
            return self._grown.wait_for(lambda: len(self._entries) >= entries, timeout_s)

    def _add(self, entry: Entry, usage: Usage) -> None:
        self._entries.append(entry)
        if self._file:
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        self._requests += 1
        self._billed += entry.billed
        self._errors += entry.status >= HTTPStatus.BAD_REQUEST
        self._resets += entry.was_reset
        self._left += entry.client_left
        if entry.billed:
            self._usage += usage
            model = entry.model or ""
            self._by_model[model] = self._by_model.get(model, EMPTY) + usage

    def since(self, sequence: int) -> Iterator[Entry]:
        """Entries in memory with a higher sequence number, in the order in which they ended."""
        return iter([entry for entry in self.entries() if entry.sequence > sequence])

    def entries(self) -> list[Entry]:
        """All entries in memory, in the order in which they ended."""
        with self._grown:
            return list(self._entries)

    def summary(self) -> Summary:
        """The totals."""
        return Summary(
            requests=self._requests,
            billed=self._billed,
            errors=self._errors,
            resets=self._resets,
            client_left=self._left,
            quantities=labelled(self._usage),
            by_model={model: labelled(usage) for model, usage in self._by_model.items()},
        )

    def close(self) -> None:
        """Close the account's file."""
        if self._file:
            self._file.close()


def labelled(usage: Usage) -> dict[str, int]:
    """Quantities by the meters' public names."""
    return {Meter(meter).label: quantity for meter, quantity in usage.counts}
