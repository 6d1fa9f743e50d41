"""Reading spools: which files there are, whether their workers live, and what lies past an offset.

A file is *final* when nobody will write to it again: its worker is dead, or has started its next file. Both are
established before the file is read, so that reading a final file to its end has read all there will ever be.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from bursar.ledger.frames import HEADER, MAX_PAYLOAD_BYTES, Frame, Stop, read_frames
from bursar.ledger.spool import LOCK_SUFFIX, SPOOL_SUFFIX


class Source(Struct, frozen=True):
    """One spool file as it was listed."""

    path: Path
    worker: str
    is_dead: bool
    """The worker's process has ended: no file of its will grow."""
    is_final: bool
    """This file will not grow."""


class Stretch(Struct, frozen=True):
    """What was read of one file."""

    source: Source
    frames: tuple[Frame, ...]
    end: int
    """Offset after the last whole frame."""
    size: int
    """The file's size when it was read."""
    stop: Stop
    """`END` where the file, or the allowance, ended at a frame's border."""

    @property
    def is_exhausted(self) -> bool:
        """Nothing readable is left, now or, for a final file, ever."""
        return self.end == self.size or (self.source.is_final and self.stop in _BROKEN)

    @property
    def is_broken(self) -> bool:
        """The rest of this final file can never be read."""
        return self.source.is_final and self.end < self.size and self.stop in _BROKEN


_BROKEN: Final = (Stop.INCOMPLETE, Stop.DAMAGED)


def list_sources(directory: Path) -> list[Source]:
    """All spool files in a stable order: by worker, then by age."""
    dead = {worker: not _is_alive(directory / f"{worker}{LOCK_SUFFIX}") for worker in _workers(_names(directory))}
    # Listed again after the probe: a worker found dead has no file that this list lacks.
    names = [name for name in _names(directory) if _worker_of(name) in dead]
    newest = {_worker_of(name): name for name in names}
    return [
        Source(
            path=directory / name,
            worker=_worker_of(name),
            is_dead=dead[_worker_of(name)],
            is_final=dead[_worker_of(name)] or name != newest[_worker_of(name)],
        )
        for name in names
    ]


def read_stretch(source: Source, offset: int, *, max_bytes: int) -> Stretch:
    """Read about ``max_bytes`` of whole frames from an offset: at least one where there is one, none if it is 0."""
    descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size <= offset or max_bytes == 0:
            return Stretch(source, (), offset, max(size, offset), Stop.END)
        stretch = _parse(source, offset, size, os.pread(descriptor, max_bytes, offset))
        if stretch.frames or stretch.stop is not Stop.END:
            return stretch
        return _parse(source, offset, size, os.pread(descriptor, HEADER.size + MAX_PAYLOAD_BYTES, offset))
    finally:
        os.close(descriptor)


def read_frame_at(path: Path, offset: int) -> Frame | None:
    """The frame at an offset that was read before; ``None`` when it is no longer there."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            head = file.read(HEADER.size)
            if len(head) < HEADER.size:
                return None
            data = head + file.read(HEADER.unpack(head)[0])
    except FileNotFoundError:
        return None
    frames = read_frames(data, offset=offset, limit=1).frames
    return frames[0] if frames else None


def unread_bytes(source: Source, offset: int) -> int:
    """How much of a file lies past an offset; 0 when the file is gone."""
    try:
        return max(source.path.stat().st_size - offset, 0)
    except FileNotFoundError:
        return 0


def remove_lock(directory: Path, worker: str) -> None:
    """Forget a dead worker that has no files left."""
    (directory / f"{worker}{LOCK_SUFFIX}").unlink(missing_ok=True)


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob(f"*{SPOOL_SUFFIX}"))


def _workers(names: list[str]) -> set[str]:
    return {_worker_of(name) for name in names}


def _worker_of(name: str) -> str:
    return name.split(".", 1)[0]


def _parse(source: Source, offset: int, size: int, data: bytes) -> Stretch:
    read = read_frames(data, offset=offset)
    reached_end = offset + len(data) >= size
    stop = Stop.END if read.stop is Stop.INCOMPLETE and not reached_end else read.stop
    return Stretch(source, read.frames, read.end, max(size, read.end), stop)


def _is_alive(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
