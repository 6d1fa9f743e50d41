"""The ledger socket's address, which must fit 107 bytes however deep the data directory lies.

A longer path is reached through an open descriptor of its folder (``/proc/self/fd/N/ledger.sock``, Linux), so the
socket always lies in the data directory, under its permissions, and nothing has to be remembered elsewhere.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MAX_PATH_BYTES: Final = 107
"""``sockaddr_un.sun_path`` holds 108, the last one a NUL (unix(7))."""


@contextmanager
def short_path(socket: Path) -> Iterator[str]:
    """A path for the socket that is short enough to bind or connect to while the context lasts."""
    if len(os.fsencode(socket)) <= _MAX_PATH_BYTES:
        yield str(socket)
        return
    folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
