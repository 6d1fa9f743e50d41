"""Which counters a worker uses, and the tasks that keep them: its heartbeat."""

import asyncio
from typing import Final

from bursar.clock import US_PER_S, Clock
from bursar.config import Config
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.counters.protocol import Counters
from bursar.errors import ConfigError

_BEATS_A_LEASE: Final = 5


def open_counters(config: Config, *, worker: str, clock: Clock) -> Counters:
    """The counters that the configuration asks for; raises ConfigError where they cannot keep what it promises."""
    settings, workers = config.counters, config.server.workers
    lease_us = int(settings.lease_s * US_PER_S)
    if settings.store in ("auto", "memory") and workers == 1:
        counters = MemoryCounters(MemoryBook(lease_us=lease_us), worker)
    else:
        raise ConfigError(f"counters.store = '{settings.store}' does not work with server.workers = {workers}")
    counters.beat(at_us=clock.now_us())
    return counters


async def keep_beating(counters: Counters, *, lease_s: float, clock: Clock) -> None:
    """Say that the worker lives, several times a lease, until cancelled."""
    while True:
        counters.beat(at_us=clock.now_us())
        await asyncio.sleep(lease_s / _BEATS_A_LEASE)
