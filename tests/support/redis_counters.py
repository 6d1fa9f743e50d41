"""Counters in Redis as the contract wants them: every answer is waited for."""

import asyncio
import itertools

from bursar.counters.redis import RedisCounters, open_redis
from support.counters_contract import LEASE
from support.redis_server import RedisServer

PATIENT_S = 10.0
"""Timeout where none is meant to pass, on a machine that may be busy."""

LONG_S = 60
"""What a test waits for at most."""


class Waited:
    """One worker's counters, on a loop that runs while they are waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, counters: RedisCounters) -> None:
        self._loop = loop
        self.counters = counters

    def wait(self, what):
        """Run the loop until something has come."""
        return self._loop.run_until_complete(asyncio.wait_for(what, LONG_S))

    def reserve(self, hold):
        return self.wait(self.counters.reserve(hold))

    def settle(self, hold, amounts):
        self.counters.settle(hold, amounts)
        self.settled()

    def balances(self, accounts, *, at_us):
        return self.counters.balances(accounts, at_us=at_us)

    def seed(self, spent):
        self.counters.seed(spent)

    def beat(self, *, at_us):
        self.counters.beat(at_us=at_us)
        self.settled()

    def close(self):
        self.counters.close()
        self.wait(self.counters.closed())

    def connected(self):
        self.wait(self.counters.connected())

    def attempted(self):
        """Wait until an attempt to connect is over."""
        self._loop.run_until_complete(asyncio.wait({self.counters._attempt}, timeout=LONG_S))

    def blank(self):
        """Wait until the server is there and has nothing."""
        while "BLANK" not in self.counters.trouble:
            self.attempted()
            self._loop.run_until_complete(asyncio.sleep(0))

    def settled(self):
        """Wait until everything that was sent is answered: answers come in order."""
        self.wait(self.counters._link.call("PING"))

    @property
    def trouble(self):
        return self.counters.trouble


class RedisStore:
    """One start of a gateway on a server that others use as well."""

    numbers = itertools.count()

    def __init__(self, server: RedisServer, loop: asyncio.AbstractEventLoop, *, timeout_s: float = PATIENT_S) -> None:
        self.start = f"start-{next(self.numbers)}"
        self.url = server.url
        self._loop = loop
        self._timeout_s = timeout_s
        self._opened: list[RedisCounters] = []

    def open(self, name="w1"):
        """A worker that is not connected yet."""
        counters = open_redis(
            self.url, start=self.start, worker=name, lease_us=LEASE, loop=self._loop, timeout_s=self._timeout_s
        )
        self._opened.append(counters)
        return Waited(self._loop, counters)

    def worker(self, name="w1"):
        """A worker that is; the first one begins the counting."""
        waited = self.open(name)
        if len(self._opened) == 1:
            waited.attempted()
            waited.seed({})
        waited.connected()
        return waited

    def close(self):
        for one in self._opened:
            one.close()
            self._loop.run_until_complete(asyncio.wait_for(one.closed(), LONG_S))
