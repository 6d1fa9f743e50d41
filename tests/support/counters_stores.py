"""Counters by address, for processes that share them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bursar.counters.local import open_local
from bursar.counters.redis import open_redis
from support.counters_contract import LEASE, Worker
from support.redis_counters import PATIENT_S, Waited


@contextmanager
def open_store(address: str, worker: str) -> Iterator[Worker]:
    """A worker's access to the store at an address: the path of a file, or a start and the URL of a server."""
    start, at, url = address.partition("@")
    if not at:
        local = open_local(Path(address), worker=worker, lease_us=LEASE, fresh=False)
        yield local
        local.close()
        return
    loop = asyncio.new_event_loop()
    redis = Waited(loop, open_redis(url, start=start, worker=worker, lease_us=LEASE, loop=loop, timeout_s=PATIENT_S))
    redis.connected()
    yield redis
    redis.close()
    loop.close()
