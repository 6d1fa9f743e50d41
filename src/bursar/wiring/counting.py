"""Which counters a worker uses, and the tasks that keep them: its heartbeat."""

import asyncio
import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bursar.clock import US_PER_S, Clock
from bursar.config import Config
from bursar.counters.local import open_local
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.counters.protocol import Counters
from bursar.counters.redis import open_redis
from bursar.errors import ConfigError, CountersUnavailable
from bursar.wiring.environment import secret

_BEATS_A_LEASE: Final = 5

_FILE: Final = "counters.sqlite"


def begin_counting(config: Config, data_dir: Path) -> None:
    """Make an empty store for workers that share one; to be called before the first of them starts.

    A start's keys on a Redis server are new anyhow. Raises ConfigError where the store cannot keep what it promises.
    """
    if store_of(config) == "local":
        try:
            open_local(data_dir / _FILE, worker="supervisor", lease_us=_lease_us(config), fresh=True).close()
        except CountersUnavailable as problem:
            raise ConfigError(str(problem)) from None


def open_counters(
    config: Config,
    data_dir: Path,
    *,
    worker: str,
    began_us: int,
    environ: Mapping[str, str],
    clock: Clock,
    loop: asyncio.AbstractEventLoop,
) -> Counters:
    """A worker's access to the counters that the configuration asks for; raises ConfigError.

    ``began_us`` is when the gateway started, the same for all of its workers.
    """
    store, lease_us = store_of(config), _lease_us(config)
    if store == "memory":
        counters: Counters = MemoryCounters(MemoryBook(lease_us=lease_us), worker)
    elif store == "redis":
        start = f"{_place(data_dir)}-{began_us}"
        try:
            counters = open_redis(_redis_url(config, environ), start=start, worker=worker, lease_us=lease_us, loop=loop)
        except ValueError as problem:
            raise ConfigError(f"counters.redis_url: {problem}") from None
    else:
        try:
            counters = open_local(data_dir / _FILE, worker=worker, lease_us=lease_us, fresh=False)
        except CountersUnavailable as problem:
            raise ConfigError(str(problem)) from None
    counters.beat(at_us=clock.now_us())
    return counters


def store_of(config: Config) -> str:
    """The store in use; raises ConfigError for one that cannot be shared by several workers."""
    store, workers = config.counters.store, config.server.workers
    if store == "auto":
        return "memory" if workers == 1 else "local"
    if store == "memory" and workers > 1:
        raise ConfigError(
            f'counters.store = "memory" counts for one worker, and server.workers is {workers}; use "local" or "redis"'
        )
    return store


def _lease_us(config: Config) -> int:
    return int(config.counters.lease_s * US_PER_S)


def _redis_url(config: Config, environ: Mapping[str, str]) -> str:
    reference = config.counters.redis_url
    if reference is None:
        raise ConfigError('counters.store = "redis" needs counters.redis_url, such as "env:REDIS_URL"')
    return secret(reference, environ, what="counters.redis_url").decode()


def _place(data_dir: Path) -> str:
    """Tells gateways apart that share a server."""
    place = f"{socket.gethostname()}:{data_dir}"
    return hashlib.blake2b(place.encode(), digest_size=6).hexdigest()


async def keep_beating(counters: Counters, *, lease_s: float, clock: Clock) -> None:
    """Say that the worker lives, several times a lease, until cancelled."""
    while True:
        counters.beat(at_us=clock.now_us())
        await asyncio.sleep(lease_s / _BEATS_A_LEASE)
