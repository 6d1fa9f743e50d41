"""Counters in this process's memory, for one worker: some microseconds a reservation, and no store to be down.

What is lost with the process is known to the ledger (what was spent) or was held by calls that died with it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bursar.counters.protocol import Balance, Spot
from bursar.policy.claims import Account, Hold, Standing, Verdict, bucket_us, free_at

_SWEEP_EVERY_US: Final = 60_000_000
"""How often a look at every account begins, to forget those that nobody uses."""

_SWEEP_SLOTS: Final = 2_000
"""How many accounts one beat looks at: some hundred microseconds."""

_Key = tuple[str, int]
"""An account's name and window."""


class _Slot:
    """One account in one window."""

    __slots__ = (
        "bucket_us",
        "buckets",
        "held",
        "idle_us",
        "limit",
        "oldest",
        "opened_us",
        "span_us",
        "spent",
        "used_us",
    )

    def __init__(self, account: Account, at_us: int) -> None:
        self.spent = 0
        self.held = 0
        self.limit = account.limit
        self.opened_us = self.used_us = at_us
        self.idle_us = account.idle_us
        self.span_us = account.span_us
        self.bucket_us = bucket_us(account.span_us) if account.span_us else 1
        self.buckets: dict[int, int] | None = {} if account.span_us else None
        """What was spent, by part of a rolling window; `spent` is their sum."""
        self.oldest = 0
        """Number of the oldest part that still counts."""

    def prune(self, at_us: int) -> None:
        """Let go of what is entirely older than a rolling window."""
        oldest = (at_us - self.span_us) // self.bucket_us
        if self.buckets is None or oldest <= self.oldest:
            return
        self.oldest = oldest
        for number in [one for one in self.buckets if one < oldest]:
            self.spent -= self.buckets.pop(number)

    def add(self, amount: int, number: int) -> None:
        """Count an amount in a part of a rolling window, unless the window has passed it."""
        if self.buckets is not None:
            if number < self.oldest:
                return
            self.buckets[number] = self.buckets.get(number, 0) + amount
        self.spent += amount


class _Held:
    """A granted hold: whose it is, and where it counts."""

    __slots__ = ("amounts", "slots", "worker")

    def __init__(self, worker: str, slots: Sequence[_Slot], amounts: Sequence[int]) -> None:
        self.worker = worker
        self.slots = slots
        self.amounts = amounts


class MemoryBook:
    """The accounts and who holds what; shared by the `MemoryCounters` of one process."""

    def __init__(self, *, lease_us: int) -> None:
        self.lease_us = lease_us
        self.slots: dict[_Key, _Slot] = {}
        self.holds: dict[str, _Held] = {}
        """By the hold's id."""
        self.alive_until_us: dict[str, int] = {}
        """By worker."""
        self.seeds: dict[_Key, dict[int, int]] = {}
        """What was stated by `seed`, by account and then by part."""
        self.swept_us = 0
        self.to_sweep: list[_Key] = []

    def fresh(self, account: Account, at_us: int) -> _Slot:
        """A slot that is not kept yet."""
        slot = _Slot(account, at_us)
        seeds = self.seeds.get((account.name, account.window))
        if seeds is not None:
            for number, amount in seeds.items():
                slot.add(amount, number)
            slot.prune(at_us)
        return slot

    def release(self, hold_id: str) -> _Held | None:
        """Take a hold away; ``None`` when it was never granted or its lease has ended."""
        held = self.holds.pop(hold_id, None)
        if held is not None:
            for slot, amount in zip(held.slots, held.amounts, strict=True):
                slot.held -= amount
        return held

    def sweep(self, at_us: int) -> None:
        """Forget some of the accounts that have been idle for as long as they say."""
        if not self.to_sweep:
            if at_us - self.swept_us <= _SWEEP_EVERY_US:
                return
            self.swept_us = at_us
            self.to_sweep = list(self.slots)
        looked_at, self.to_sweep = self.to_sweep[-_SWEEP_SLOTS:], self.to_sweep[:-_SWEEP_SLOTS]
        idle = [key for key in looked_at if self._is_idle(key, at_us)]
        if idle:
            # A hold of nothing is no sign of life in `held`, and its settlement must find the slot it knows.
            busy = {id(slot) for held in self.holds.values() for slot in held.slots}
            for key in idle:
                if id(self.slots[key]) not in busy:
                    del self.slots[key]

    def _is_idle(self, key: _Key, at_us: int) -> bool:
        slot = self.slots[key]
        return slot.idle_us is not None and slot.used_us + slot.idle_us < at_us


class MemoryCounters:
    """One worker's access to a book."""

    trouble: str | None = None

    def __init__(self, book: MemoryBook, worker: str) -> None:
        self._book = book
        self._worker = worker

    def reserve(self, hold: Hold) -> Verdict:
        """Hold every amount or none."""
        at_us = hold.at_us
        slots: list[_Slot] = []
        used: list[int] = []
        limits: list[int | None] = []
        short: list[int] = []
        opened: dict[_Key, _Slot] = {}
        find = self._book.slots.get
        for account, amount in zip(hold.accounts, hold.amounts, strict=True):
            slot = find((account.name, account.window))
            if slot is None:
                slot = opened[account.name, account.window] = self._book.fresh(account, at_us)
            elif slot.buckets is not None:
                slot.prune(at_us)
            limit = slot.limit if account.keeps_limit else account.limit
            total = slot.spent + slot.held + amount
            if amount and (
                (limit is not None and total > limit)
                or (account.max_age_us is not None and at_us - slot.opened_us > account.max_age_us)
            ):
                short.append(len(slots))
            slots.append(slot)
            used.append(total)
            limits.append(limit)
        if short:
            return _refused(hold, slots, short)
        if opened:
            self._book.slots.update(opened)
        self._keep(hold, slots)
        return Verdict(tuple(used), tuple(limits))

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Replace a hold by what was really used."""
        held = self._book.release(hold.id)
        if held is None:
            self._add_unheld(hold, amounts)
            return
        for slot, amount in zip(held.slots, amounts, strict=True):
            if amount:
                slot.add(amount, hold.at_us // slot.bucket_us)

    def balances(self, accounts: Collection[Account], *, at_us: int) -> Sequence[Balance]:
        """How accounts stand."""
        found = []
        for account in accounts:
            slot = self._book.slots.get((account.name, account.window)) or self._book.fresh(account, at_us)
            slot.prune(at_us)
            found.append(Balance(slot.spent, slot.held))
        return found

    def seed(self, spent: Mapping[Spot, int]) -> None:
        """State what calls from before the counting began have spent."""
        book = self._book
        seeds: dict[_Key, dict[int, int]] = {}
        for spot, amount in spent.items():
            seeds.setdefault((spot.account, spot.window), {})[spot.bucket] = amount
        before, book.seeds = book.seeds, seeds
        for key in before.keys() | seeds.keys():
            slot = book.slots.get(key)
            if slot is not None:
                _reseed(slot, before.get(key, {}), seeds.get(key, {}))

    def beat(self, *, at_us: int) -> None:
        """Say that this worker lives; return what dead ones held; forget accounts that nobody uses any more."""
        book = self._book
        book.alive_until_us[self._worker] = at_us + book.lease_us
        for worker in [one for one, until_us in book.alive_until_us.items() if until_us < at_us]:
            self._bury(worker)
        book.sweep(at_us)

    def close(self) -> None:
        """Return everything this worker holds."""
        self._bury(self._worker)

    def _keep(self, hold: Hold, slots: list[_Slot]) -> None:
        """Enter a granted hold."""
        book, at_us = self._book, hold.at_us
        for slot, amount in zip(slots, hold.amounts, strict=True):
            slot.held += amount
            if at_us > slot.used_us:  # noqa: PLR1730 - a call of max() takes three times as long
                slot.used_us = at_us
        book.holds[hold.id] = _Held(self._worker, slots, hold.amounts)
        # Whoever holds something has a lease, lest a hold outlives a worker that died before its first beat.
        if book.alive_until_us.get(self._worker, -1) < at_us:
            book.alive_until_us[self._worker] = at_us + book.lease_us

    def _add_unheld(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Count what was not granted, or whose lease has ended: it claims of its accounts only now."""
        book = self._book
        for account, amount in zip(hold.accounts, amounts, strict=True):
            if not amount:
                continue
            key = (account.name, account.window)
            slot = book.slots.get(key)
            if slot is None:
                slot = book.slots[key] = book.fresh(account, hold.at_us)
            slot.used_us = max(slot.used_us, hold.at_us)
            slot.add(amount, hold.at_us // slot.bucket_us)

    def _bury(self, worker: str) -> None:
        book = self._book
        for hold_id in [one for one, held in book.holds.items() if held.worker == worker]:
            book.release(hold_id)
        book.alive_until_us.pop(worker, None)


def _refused(hold: Hold, slots: Sequence[_Slot], short: Sequence[int]) -> Verdict:
    """Say how every claim found its account. Nothing changes, but that accounts which are asked for stay known."""
    standings = []
    for account, amount, slot in zip(hold.accounts, hold.amounts, slots, strict=True):
        limit = slot.limit if account.keeps_limit else account.limit
        free_us = None
        excess = 0 if limit is None else slot.spent + slot.held + amount - limit
        if excess > 0 and slot.buckets is not None:
            free_us = free_at(tuple(slot.buckets.items()), span_us=slot.span_us, excess=excess)
        slot.used_us = max(slot.used_us, hold.at_us)
        standings.append(
            Standing(spent=slot.spent, held=slot.held, limit=limit, opened_us=slot.opened_us, free_us=free_us)
        )
    return Verdict(short=tuple(short), standings=tuple(standings))


def _reseed(slot: _Slot, before: Mapping[int, int], after: Mapping[int, int]) -> None:
    for number in before.keys() | after.keys():
        slot.add(after.get(number, 0) - before.get(number, 0), number)
