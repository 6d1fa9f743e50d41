"""What every call of one worker shares: one immutable snapshot, and the few things that act.

A reload swaps `Gateway.snapshot`; a call keeps the one it was admitted under, so a reload never changes a call in
flight.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct, field

from bursar.catalog.snapshot import Catalog
from bursar.clock import Clock
from bursar.config import Config
from bursar.counters.protocol import Counters
from bursar.events import Record
from bursar.gateway.cooling import Cooling
from bursar.gateway.counts import Counts
from bursar.gateway.headers import Heads
from bursar.gateway.routes import RouteTable
from bursar.gateway.seeded import Seeded
from bursar.notify.noted import Noted
from bursar.notify.webhook import Hook
from bursar.policy.identity import Keyring
from bursar.policy.rules import Rules
from bursar.policy.tag_rules import TagRules
from bursar.upstream import Timeouts, UpstreamClient

log = logging.getLogger("bursar.gateway")


_BILLED_REMEMBERED: Final = 65_536
"""Background responses that are remembered as counted; forgetting one counts it once more, never less."""


class Snapshot(Struct, frozen=True):
    """Everything a decision depends on besides the request."""

    config: Config
    digest: str
    """Hash of the configuration, kept with every row."""
    catalog: Catalog
    keyring: Keyring
    routes: RouteTable
    timeouts: Timeouts
    tag_rules: TagRules = field(default_factory=TagRules)
    rules: Rules = field(default_factory=Rules)
    """Budgets, limits and rules for agent runs."""
    hooks: tuple[Hook, ...] = ()
    """Where alerts are sent."""


class Recorder(Protocol):
    """Where facts go; a worker's spool."""

    @property
    def pending(self) -> int:
        """Records that the disk refuses at the moment."""
        ...

    def append(self, record: Record) -> None:
        """Append one record.

        Raises LedgerUnavailable for an ``Opened`` that cannot be written, and for a refusal when too many wait; any
        other record is kept until it can be.
        """
        ...


class Sweepable(Protocol):
    """A client connection, as the sweep sees it."""

    def sweep(self, now_us: int) -> None:
        """Act if a deadline has passed."""
        ...


class Gateway:
    """One worker's data plane."""

    def __init__(
        self,
        *,
        worker: str,
        snapshot: Snapshot,
        recorder: Recorder,
        client: UpstreamClient,
        counters: Counters,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.worker: Final = worker
        """This worker's name, of which there is one for each process that was ever started: ``w3-5f1c09aa72e4``."""
        self.snapshot = snapshot
        self.recorder = recorder
        self.client = client
        self.counters = counters
        self.clock = clock
        self.loop = loop
        self.counts = Counts()
        self.heads = Heads()
        self.cooling = Cooling()
        self.seeded = Seeded()
        self.noted: Final = Noted()
        """What alerts are made of."""
        self.is_draining = False
        """Shutting down: new calls are refused, calls in flight may finish."""
        self.in_flight: set[InFlight] = set()
        self.connections: set[Sweepable] = set()
        """Client connections, swept for deadlines."""
        self._billed: set[str] = set()
        self._renewing: Final = threading.Lock()
        self._idle: asyncio.Event = asyncio.Event()

    def renew(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Put what ``change`` makes of the present snapshot in its place; from any thread, one after the other."""
        with self._renewing:
            self.snapshot = change(self.snapshot)

    def bills(self, name: str) -> bool:
        """Whether usage that several answers report is counted now, for the first time as far as this worker knows."""
        if name in self._billed:
            return False
        if len(self._billed) >= _BILLED_REMEMBERED:
            self._billed.clear()
        self._billed.add(name)
        return True

    def entered(self, call: "InFlight") -> None:
        """A call was opened at a provider."""
        self.in_flight.add(call)

    def left(self, call: "InFlight") -> None:
        """A call was settled."""
        self.in_flight.discard(call)
        if self.is_draining and not self.in_flight:
            self._idle.set()

    def serves_older(self, at_us: int) -> bool:
        """Whether a call is in flight that was admitted before an instant."""
        return any(call.at_us < at_us for call in self.in_flight)

    def pending(self) -> int:
        """Settled records that wait for the disk."""
        return self.recorder.pending

    def trouble(self) -> list[str]:
        """Why this worker should not be sent calls; empty when it should."""
        reasons = []
        if self.is_draining:
            reasons.append("shutting down")
        if self.pending():
            reasons.append(f"{self.pending()} settled records wait for the disk")
        if self.seeded.is_missing_budgets:
            reasons.append(f"still reading the ledger: {self.seeded.problem or 'what budgets have spent is not known'}")
        if self.counters.trouble is not None and self.snapshot.rules.has_closed:
            reasons.append(f"budgets cannot be counted, and some are closed then: {self.counters.trouble}")
        keys = self.snapshot.keyring.store
        if keys is not None and keys.trouble is not None and not keys.has_grace:
            reasons.append(f"virtual keys cannot be checked: {keys.trouble}")
        return reasons

    def remarks(self) -> list[str]:
        """What is wrong although this worker should be sent calls."""
        remarks = []
        rules = self.snapshot.rules
        if self.counters.trouble is not None and not (rules.has_closed or rules.is_empty):
            remarks.append(f"budgets and limits are open and not counted: {self.counters.trouble}")
        keys = self.snapshot.keyring.store
        if keys is not None and keys.trouble is not None and keys.has_grace:
            remarks.append(f"only virtual keys that were seen before are let in: {keys.trouble}")
        return remarks

    def sweep(self) -> None:
        """Check the deadlines of all connections and of calls whose client is gone; meant to run every second."""
        now_us = self.clock.monotonic_us()
        self.counts.swept += 1
        for connection in tuple(self.connections):
            connection.sweep(now_us)
        for call in tuple(self.in_flight):
            call.sweep(now_us)

    async def drain(self, grace_s: float) -> int:
        """Refuse new calls, let those in flight finish for ``grace_s`` seconds, then cut the rest.

        Returns how many had to be cut; each is settled as ``cut`` with what was seen of its usage.
        """
        self.is_draining = True
        if not self.in_flight:
            return 0
        try:
            await asyncio.wait_for(self._idle.wait(), grace_s)
        except TimeoutError:
            return self.cut("the gateway shut down")
        return 0

    def cut(self, reason: str) -> int:
        """Stop every call in flight and settle what was seen; returns how many there were."""
        late = tuple(self.in_flight)
        for call in late:
            call.cut(reason)
        return len(late)


class InFlight(Protocol):
    """A call that a provider is working on."""

    @property
    def at_us(self) -> int:
        """Its admission, Unix microseconds."""
        ...

    @property
    def is_holding(self) -> bool:
        """Whether it holds something of budgets or limits."""
        ...

    def cut(self, reason: str) -> None:
        """Stop it now and settle what was seen."""
        ...

    def sweep(self, now_us: int) -> None:
        """Act if a deadline has passed."""
        ...
