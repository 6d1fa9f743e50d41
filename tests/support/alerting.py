"""A gateway's alerts without a gateway: real counters and a real control state, calls made by hand."""

import asyncio

from bursar.control.open import open_control
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.notify.conditions import Conditions
from bursar.notify.noted import Noted
from bursar.notify.watch import Watch
from bursar.policy.claims import Hold
from bursar.policy.decide import Ask, decide
from bursar.policy.refusals import refusal
from bursar.policy.rules import Rules
from support.ledger_records import FixedClock, facts


class Desk:
    """One worker's calls and its watch, over counters and a control state that others may share."""

    def __init__(self, folder, clock: FixedClock, *, book: MemoryBook | None = None, worker="w1", to=("ops",), **rules):
        self.clock = clock
        self.control = open_control(folder, clock)
        self.book = book or MemoryBook(lease_us=30_000_000)
        self.counters = MemoryCounters(self.book, worker)
        self.rules = Rules(**rules)
        self.noted = Noted()
        self.watch = Watch(
            self.noted,
            self.counters,
            self.control.alerts,
            clock,
            rules=lambda: self.rules,
            audience=lambda _kind: to,
        )
        self.conditions = Conditions(self.control.alerts, self.counters, clock, rules=lambda: self.rules)
        self._calls = 0

    def close(self) -> None:
        """Let go of the control state."""
        self.control.close()

    def spend(self, cost: int, *, bound: int | None = None, task=None, **values: str) -> bool:
        """Make a call; False when it was refused."""
        self._calls += 1
        asked = Ask(
            at_us=self.clock.now_us(), facts=values, bound=cost if bound is None else bound, tokens=0, task=task
        )
        needs = decide(self.rules.matching(values, is_run=task is not None), asked, self.rules)
        held = Hold(f"{id(self)}/{self._calls}", asked.at_us, needs.accounts, needs.amounts)
        verdict = self.counters.reserve(held)
        if not verdict.is_granted:
            about = facts(at_us=asked.at_us, task=task.id if task else None, task_type=task.type if task else None)
            short = tuple(needs.gates[position] for position in verdict.short)
            self.noted.refuse(refusal(needs, verdict, at_us=asked.at_us), about, short)
            return False
        amounts = [cost if gate.measure == "usd" else 1 for gate in needs.gates]
        self.counters.settle(held, amounts)
        self.noted.settled.append(needs.gates)
        return True

    def look(self) -> None:
        """Let the watch look once."""
        asyncio.run(self.watch.look())

    def tidy(self) -> None:
        """Let what is over be resolved."""
        asyncio.run(self.conditions.look())

    def raised(self, kind: str | None = None) -> list:
        """The alerts so far, oldest first."""
        every = reversed(self.control.alerts.newest(limit=1_000))
        return [one for one in every if kind in (None, one.alert.kind)]

    def opened(self) -> set[str]:
        """The kinds of alerts that are open."""
        return {one.alert.kind for one in self.control.alerts.unresolved(limit=1_000)}


class AskedLedger:
    """A ledger in this process, asked from an event loop; remembers what was asked."""

    def __init__(self, ledger) -> None:
        self.ledger = ledger
        self.asked: list = []

    async def ask(self, question):
        """Answer a question."""
        self.asked.append(question)
        return self.ledger.ask(question)
