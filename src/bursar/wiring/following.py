"""Seeding as the other workers of a store see it: one of them seeds, these look for the mark that it leaves.

The store has a mark for each set of budgets that is seeded. While a worker does not find that of its own budgets, its
closed gates refuse; and it takes new budgets into force only when they are marked, or when it has waited long enough.
"""

import asyncio
import logging
from typing import Final

from bursar.errors import CountersUnavailable
from bursar.gateway.state import Gateway, Snapshot
from bursar.policy.rules import Rules
from bursar.policy.stems import RUNS
from bursar.wiring.seeding import LOOK_S, PATIENCE_S, RETRY_S, is_marked

log: Final = logging.getLogger("bursar.seeding")


class Follower:
    """Looks for the marks of the worker that seeds."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway: Final = gateway
        gateway.seeded.missing = gateway.snapshot.rules.stems | {RUNS}

    async def prepare(self, snapshot: Snapshot) -> None:
        """Wait until new budgets are seeded, before they come into force; say which remain blind."""
        stems, present = snapshot.rules.stems, self._gateway.snapshot.rules.stems
        if stems == present:
            return
        self._gateway.seeded.missing |= stems - present
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not self._look(snapshot.rules):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            log.error("budgets come into force blind: %s", self._gateway.seeded.problem)  # noqa: TRY400 - no trace

    def changed(self) -> None:
        """Nothing is to be done: the mark of these rules was seen, or is being looked for."""

    async def run(self) -> None:
        """Look for the mark of the budgets in force until cancelled."""
        while True:
            rules = self._gateway.snapshot.rules
            if not self._look(rules):
                self._gateway.seeded.missing |= rules.stems | {RUNS}
            await asyncio.sleep(RETRY_S if self._gateway.seeded.missing else LOOK_S)

    def _look(self, rules: Rules) -> bool:
        """Whether budgets are seeded. A store that cannot be asked is no reason to think that they are not."""
        gateway, seeded = self._gateway, self._gateway.seeded
        try:
            is_known = is_marked(gateway, rules)
        except CountersUnavailable:
            return not seeded.missing & rules.stems
        if not is_known:
            seeded.problem = "the worker that reads the ledger has not done so yet"
            return False
        seeded.missing -= rules.stems | {RUNS}
        seeded.problem = None
        seeded.at_us = gateway.clock.monotonic_us()
        return True
