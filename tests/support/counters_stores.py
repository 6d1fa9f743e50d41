"""Counters by address, for processes that share them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bursar.counters.local import open_local
from support.counters_contract import LEASE, Worker


@contextmanager
def open_store(address: str, worker: str) -> Iterator[Worker]:
    """A worker's access to the store at an address."""
    counters = open_local(Path(address), worker=worker, lease_us=LEASE, fresh=False)
    try:
        yield counters
    finally:
        counters.close()
