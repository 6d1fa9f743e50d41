"""The ledger's lock: segments, manifest and index have one owner at a time."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from bursar.errors import LedgerUnavailable
from bursar.ledger.files import make_folder

_POLL_S: Final = 0.05


class OwnerLock:
    """An exclusive lock on a file that holds its owner's process id. The kernel releases it when the owner dies."""

    def __init__(self, path: Path, *, wait_s: float = 0.0) -> None:
        """Take the lock, waiting a while for an owner that is about to end; raises LedgerUnavailable naming it."""
        make_folder(path.parent)
        self._descriptor: Final = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        deadline = time.monotonic() + wait_s
        while not self._is_taken():
            if time.monotonic() >= deadline:
                owner = os.pread(self._descriptor, 64, 0).decode("ascii", "replace").strip()
                os.close(self._descriptor)
                raise LedgerUnavailable(f"the ledger in {path.parent} is in use by process {owner or 'unknown'}")
            time.sleep(_POLL_S)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next owner in."""
        os.close(self._descriptor)

    def _is_taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
