"""Seeding: giving counters what they cannot have counted themselves, at the start, after changes, and ever again.

At the start nothing is known (`Gateway.seeded` names every budget as missing), and closed gates refuse until the ledger
has loaded the spools of all earlier processes and was asked once. Then it is asked again, soon at first and every few
minutes later on, because rows come late and corrections change them.

When budgets change, those that count something new are asked for *before* they come into force, so there is no moment
in which such a budget is blind. What calls spend that were admitted before the change and end after it comes with the
next refreshes: they count nothing in the new accounts, and the configuration in their rows says so. While the ledger
cannot be asked, a new budget comes into force blind, and its gate does what it is told to do when its store is down.

A store that several workers share can lose what it counted (a server that was restarted, a file that was removed). The
mark that seeding leaves in it is then gone as well: from that moment on counting begins anew, and the seeds bring back
what was settled before. Calls in flight at that moment may count twice, until their windows end.

`counters.rebuild` says what is asked and why the sum is right. Of the workers that share a store one seeds, and the
others follow (`wiring.following`).
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from typing import Final, Protocol

from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.counters.protocol import Spot
from bursar.counters.rebuild import inquiries
from bursar.errors import CountersUnavailable, LedgerUnavailable
from bursar.gateway.state import Gateway, Snapshot
from bursar.ledger.client import LedgerClient
from bursar.policy.claims import Account
from bursar.policy.rules import BudgetRule, Rules
from bursar.policy.stems import RUNS
from bursar.wiring.counted import Counted

log: Final = logging.getLogger("bursar.seeding")

RETRY_S: Final = 0.25
"""How soon a ledger that is still starting, or loading, is asked again."""

LOOK_S: Final = 1.0
"""How often the mark is looked for."""

PAUSES_S: Final = (1.0, 5.0, 30.0, 300.0)
"""Time from one refresh to the next after a change; the last one for ever after."""

QUIET_S: Final = 5.0
"""How long a ledger may take to answer before anybody is told: starting one takes a second or two."""

PATIENCE_S: Final = 10.0
"""How long a change of budgets waits for what the new ones have spent, before it comes into force without."""


class Seeding(Protocol):
    """How a worker's accounts come to know what was spent before."""

    async def prepare(self, snapshot: Snapshot) -> None:
        """Get ready for other rules; to be awaited before they come into force."""
        ...

    def changed(self) -> None:
        """Other rules have come into force."""
        ...

    async def run(self) -> None:
        """Keep the accounts right until cancelled."""
        ...


class Seeds(Struct, frozen=True):
    """What the ledger says."""

    spent: dict[Spot, int]
    is_complete: bool
    """Every spool of processes that have ended was loaded."""


class Seeder:
    """Reads the ledger and seeds the counters; one for each store."""

    def __init__(self, gateway: Gateway, ledger: LedgerClient, counted: Counted) -> None:
        rules = gateway.snapshot.rules
        self._gateway: Final = gateway
        self._ledger: Final = ledger
        self._counted: Final = counted
        self._turn: Final = asyncio.Lock()
        self._has_changed: Final = asyncio.Event()
        self._changed_us = counted.began_us
        self._coming = rules
        """The newest rules, which may not be in force yet; they stay seeded until they are."""
        self._due_us = 0
        """When to refresh, on the monotonic clock."""
        self._blind_us = 0
        """Since when the ledger cannot be asked, on the monotonic clock."""
        self._is_told = False
        self._marked: Rules | None = None
        """Budgets whose mark was left last."""
        counted.add(gateway.snapshot.digest, rules.stems)
        gateway.seeded.missing = rules.stems | {RUNS}

    async def prepare(self, snapshot: Snapshot) -> None:
        """Read what new budgets have spent, before they come into force; say which remain blind."""
        gateway, rules = self._gateway, snapshot.rules
        self._coming = rules
        self._counted.add(snapshot.digest, rules.stems)
        present = gateway.snapshot.rules
        if rules.stems != present.stems:
            gateway.seeded.missing |= rules.stems - present.stems
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not await self._refresh():  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(RETRY_S)
            except TimeoutError:
                log.error("budgets come into force blind: %s", gateway.seeded.problem)  # noqa: TRY400 - no trace

    def changed(self) -> None:
        """Ask the ledger at once: calls went on while the new rules were being prepared, and count nothing in them."""
        self._changed_us = self._gateway.clock.now_us()
        self._has_changed.set()

    async def run(self) -> None:
        """Refresh the seeds until cancelled."""
        pauses = iter(PAUSES_S)
        clock = self._gateway.clock
        while True:
            if self._has_lost_its_mark():
                self._begin_again()
            if clock.monotonic_us() >= self._due_us:
                is_done = await self._refresh()
                pause_s = self._pause_s(pauses) if is_done else RETRY_S
                self._due_us = clock.monotonic_us() + int(pause_s * US_PER_S)
            rest_s = (self._due_us - clock.monotonic_us()) / US_PER_S
            try:
                # Python 3.11's wait_for forgets a cancellation that comes with the timeout (bpo-37658).
                async with asyncio.timeout(min(LOOK_S, rest_s)):
                    await self._has_changed.wait()
            except TimeoutError:
                continue
            self._has_changed.clear()
            self._due_us = 0
            pauses = iter(PAUSES_S)

    def _pause_s(self, pauses: Iterator[float]) -> float:
        """Calls from before a change end without counting in what it made, so the ledger is asked until they have."""
        if self._gateway.serves_older(self._changed_us):
            return PAUSES_S[0]
        return next(pauses, PAUSES_S[-1])

    def _has_lost_its_mark(self) -> bool:
        try:
            return self._marked is not None and not is_marked(self._gateway, self._marked)
        except CountersUnavailable:
            return False

    def _begin_again(self) -> None:
        gateway = self._gateway
        log.error("the counters have lost what they had counted; it is read from the ledger again")
        self._counted.begin_again(gateway.clock.now_us())
        self._marked = None
        gateway.seeded.missing = gateway.snapshot.rules.stems | {RUNS}
        self._due_us = 0

    async def _refresh(self) -> bool:
        """Seed what the rules in force need, and those that are coming; False when not all of it is known yet."""
        gateway, seeded = self._gateway, self._gateway.seeded
        rules: tuple[Rules, ...] = (gateway.snapshot.rules, self._coming)
        if rules[0].stems == rules[1].stems:
            rules = rules[:1]
        before, problem = seeded.problem, None
        async with self._turn:
            try:
                seeds = await asyncio.to_thread(self._read, rules, gateway.clock.now_us())
                gateway.counters.seed(seeds.spent)
                problem = None if seeds.is_complete else "what earlier processes wrote is being loaded"
            except (LedgerUnavailable, CountersUnavailable) as failed:
                problem = str(failed)
        if problem is None:
            self._marked = rules[-1]
            seeded.missing -= {RUNS}.union(*(one.stems for one in rules))
            seeded.at_us = gateway.clock.monotonic_us()
        else:
            self._say(problem, is_new=before is None)
        seeded.problem = problem
        return problem is None

    def _say(self, problem: str, *, is_new: bool) -> None:
        """Tell of a ledger that cannot be asked, once, and not of one that is just starting beside this process."""
        now_us = self._gateway.clock.monotonic_us()
        if is_new:
            self._blind_us, self._is_told = now_us, False
        if not self._is_told and now_us - self._blind_us >= QUIET_S * US_PER_S:
            self._is_told = True
            log.warning("what budgets have spent is not known yet: %s", problem)

    def _read(self, rules: tuple[Rules, ...], at_us: int) -> Seeds:
        """Ask the ledger. Runs in a thread: the answers for many budgets are large."""
        spent: dict[Spot, int] = {}
        is_complete = True
        for one in rules:
            found: dict[Spot, int] = {}
            for inquiry in inquiries(one, at_us=at_us, began_us=self._counted.began_us, counted=self._digests):
                answer = self._ledger.ask(inquiry.question)
                is_complete = is_complete and not answer.unread_bytes
                for spot, amount in inquiry.spots(answer.rows):
                    found[spot] = found.get(spot, 0) + amount
            # Where two sets of rules share an account, both say the same of it.
            spent |= found
        if is_complete:
            spent |= dict.fromkeys(map(mark_of, rules), 1)
        return Seeds(spent, is_complete)

    def _digests(self, rule: BudgetRule) -> tuple[str, ...]:
        return self._counted.digests(rule.stem)


def mark_of(rules: Rules) -> Spot:
    """The spot that is stated beside what a set of budgets has spent, for all workers to see."""
    stems = "\n".join(sorted(rules.stems))
    return Spot(f"seeded/{hashlib.blake2b(stems.encode('utf-8'), digest_size=8).hexdigest()}")


def is_marked(gateway: Gateway, rules: Rules) -> bool:
    """Whether the store says that a set of budgets is seeded; raises CountersUnavailable."""
    (balance,) = gateway.counters.balances([Account(mark_of(rules).account)], at_us=gateway.clock.now_us())
    return balance.spent > 0
