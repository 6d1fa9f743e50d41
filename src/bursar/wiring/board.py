"""The board: where each worker posts its report, and reads those of the others.

One piece of anonymous memory for each process (memfd), made by the supervisor and inherited, so there is nothing to
clean up, nothing that a full disk could stop, and a worker that is killed leaves its last report behind. The one that
takes its place counts on from there: a counter loses at most what the dead one counted since it last posted.

Two reports share a piece: the older one is overwritten while the newer stays readable, and a checksum tells a report
that is just being written, or whose writer was killed over it.
"""

import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bursar.console.fleet import Report, counters, report_of, summed
from bursar.gateway.state import Gateway

POST_S: Final = 0.5
"""How often a worker posts; it costs some 0.3 ms."""

SUPERVISOR: Final = 0
"""The supervisor's place; workers have 1 and up."""

_HEAD: Final = struct.Struct("<QII")
"""Sequence number, length of the report, and the CRC-32 of both and of the report itself."""

_SEALED: Final = struct.Struct("<QI")

_HALF_BYTES: Final = 1 << 20
"""Room for one report; memory is taken only for what is written."""


class Board:
    """The reports of all processes of one gateway."""

    def __init__(self, places: Mapping[int, int]) -> None:
        """``places`` maps each process's number to the descriptor of its memory."""
        self.places: Final = dict(places)

    @classmethod
    def create(cls, workers: int) -> "Board":
        """An empty board for a supervisor and so many workers."""
        return cls({number: os.memfd_create(f"bursar-{number}") for number in range(workers + 1)})

    def post(self, number: int, report: Report) -> None:
        """Replace a process's report; raises ValueError when it is too long."""
        payload = msgspec.json.encode(report)
        if len(payload) > _HALF_BYTES - _HEAD.size:
            raise ValueError(f"a worker's report of {len(payload)} bytes exceeds {_HALF_BYTES - _HEAD.size}")
        newest = self._newest(number)
        sequence = 1 if newest is None else newest[0] + 1
        frame = _HEAD.pack(sequence, len(payload), _checksum(sequence, payload)) + payload
        os.pwrite(self.places[number], frame, _HALF_BYTES * (sequence % 2))

    def read(self, number: int) -> Report | None:
        """A process's newest whole report; ``None`` before its first."""
        newest = self._newest(number)
        return None if newest is None else msgspec.json.decode(newest[1], type=Report)

    def read_all(self) -> list[Report]:
        """The newest report of every process that has posted one."""
        found = (self.read(number) for number in self.places)
        return [report for report in found if report is not None]

    def close(self) -> None:
        """Let go of the memory."""
        for descriptor in self.places.values():
            os.close(descriptor)

    def _newest(self, number: int) -> tuple[int, bytes] | None:
        """Sequence number and content of the newest whole report."""
        descriptor = self.places[number]
        heads = (os.pread(descriptor, _HEAD.size, half * _HALF_BYTES) for half in range(2))
        for sequence, length, checksum in sorted(
            (_HEAD.unpack(one) for one in heads if len(one) == _HEAD.size), reverse=True
        ):
            payload = os.pread(descriptor, length, _HALF_BYTES * (sequence % 2) + _HEAD.size)
            if len(payload) == length and _checksum(sequence, payload) == checksum:
                return sequence, payload
        return None


def _checksum(sequence: int, payload: bytes) -> int:
    """Told apart by it: a report, and an old one under the head of a new one that was never written."""
    return zlib.crc32(payload, zlib.crc32(_SEALED.pack(sequence, len(payload))))


class PostedFleet:
    """The fleet, as one of several workers sees it. `post` must be called every `POST_S`."""

    def __init__(self, board: Board, number: int, gateway: Gateway) -> None:
        self._board: Final = board
        self._number: Final = number
        self._gateway: Final = gateway
        before = board.read(number)
        self._counted_before: Final = counters(before.families) if before is not None else ()

    def post(self) -> None:
        """Post this worker's report."""
        own = report_of(self._gateway)
        families = summed((*own.families, *self._counted_before))
        self._board.post(self._number, msgspec.structs.replace(own, families=families))

    def reports(self) -> Sequence[Report]:
        self.post()
        return self._board.read_all()
