"""Counters in this process's memory, for one worker: some microseconds a reservation, and no store to be down.

What is lost with the process is known to the ledger (what was spent) or was held by calls that died with it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bursar.counters.protocol import Balance, Spot
from bursar.policy.claims import Account, Hold, Standing, Verdict, bucket_us, free_at

_SWEEP_EVERY_US: Final = 60_000_000
"""How often forgotten accounts are looked for; each look visits every account."""


class _Slot:
    """One account in one window."""

    __slots__ = ("buckets", "ends_us", "held", "limit", "opened_us", "pruned_to", "spent")

    def __init__(self, account: Account, at_us: int) -> None:
        self.spent = 0
        self.held = 0
        self.limit = account.limit
        self.opened_us = at_us
        self.ends_us: int | None = 0
        self.buckets: dict[int, int] | None = {} if account.span_us else None
        """What was spent, by part of a rolling window; `spent` is their sum."""
        self.pruned_to = 0

    def prune(self, span_us: int, at_us: int) -> None:
        """Let go of what is entirely older than the window."""
        buckets = self.buckets
        if buckets is None:
            return
        oldest = (at_us - span_us) // bucket_us(span_us)
        if oldest <= self.pruned_to:
            return
        self.pruned_to = oldest
        for number in [one for one in buckets if one < oldest]:
            self.spent -= buckets.pop(number)

    def add(self, amount: int, span_us: int, at_us: int) -> None:
        """Count what was spent at an instant, unless the window has passed it already."""
        buckets = self.buckets
        if buckets is not None:
            number = at_us // bucket_us(span_us)
            if number < self.pruned_to:
                return
            buckets[number] = buckets.get(number, 0) + amount
        self.spent += amount


class MemoryBook:
    """The accounts and who holds what; shared by the `MemoryCounters` of one process."""

    def __init__(self, *, lease_us: int) -> None:
        self.lease_us = lease_us
        self.slots: dict[tuple[str, int], _Slot] = {}
        self.holds: dict[str, tuple[str, Hold]] = {}
        """Holder and hold by its id."""
        self.alive_until_us: dict[str, int] = {}
        self.seeds: dict[tuple[str, int], dict[int, int]] = {}
        """What was stated by `seed`, by account and window, then by part."""
        self.swept_us = 0


class MemoryCounters:
    """One holder's access to a book."""

    trouble: str | None = None

    def __init__(self, book: MemoryBook, worker: str) -> None:
        self._book = book
        self._worker = worker

    def reserve(self, hold: Hold) -> Verdict:
        """Hold every amount or none."""
        at_us = hold.at_us
        slots = [self._slot(account, at_us) for account in hold.accounts]
        used, limits, short = [], [], []
        for position, (account, amount) in enumerate(zip(hold.accounts, hold.amounts, strict=True)):
            slot = slots[position]
            limit = slot.limit if account.keeps_limit else account.limit
            total = slot.spent + slot.held + amount
            if amount and (
                (limit is not None and total > limit)
                or (account.max_age_us is not None and at_us - slot.opened_us > account.max_age_us)
            ):
                short.append(position)
            used.append(total)
            limits.append(limit)
        if short:
            return Verdict(short=tuple(short), standings=tuple(map(_standing, hold.accounts, hold.amounts, slots)))
        for account, amount, slot in zip(hold.accounts, hold.amounts, slots, strict=True):
            slot.held += amount
            if account.idle_us is None:
                slot.ends_us = None
            elif slot.ends_us is not None:
                slot.ends_us = max(slot.ends_us, at_us + account.idle_us)
        self._book.holds[hold.id] = (self._worker, hold)
        return Verdict(used=tuple(used), limits=tuple(limits))

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Replace a hold by what was really used."""
        self._release(hold.id)
        for account, amount in zip(hold.accounts, amounts, strict=True):
            if amount:
                self._slot(account, hold.at_us).add(amount, account.span_us, hold.at_us)

    def balances(self, accounts: Collection[Account], *, at_us: int) -> Sequence[Balance]:
        """How accounts stand."""
        found = []
        for account in accounts:
            slot = self._book.slots.get((account.name, account.window)) or self._fresh(account, at_us)
            slot.prune(account.span_us, at_us)
            found.append(Balance(slot.spent, slot.held))
        return found

    def seed(self, spent: Mapping[Spot, int]) -> None:
        """State what calls from before the counting began have spent."""
        book = self._book
        seeds: dict[tuple[str, int], dict[int, int]] = {}
        for spot, amount in spent.items():
            seeds.setdefault((spot.account, spot.window), {})[spot.bucket] = amount
        before, book.seeds = book.seeds, seeds
        for key, slot in book.slots.items():
            _reseed(slot, before.get(key, {}), seeds.get(key, {}))

    def beat(self, *, at_us: int) -> None:
        """Say that this worker lives; return what dead ones held; forget accounts that nobody uses any more."""
        book = self._book
        book.alive_until_us[self._worker] = at_us + book.lease_us
        dead = {name for name, until_us in book.alive_until_us.items() if until_us < at_us}
        if dead:
            for hold_id in [one for one, (holder, _) in book.holds.items() if holder in dead]:
                self._release(hold_id)
            for name in dead:
                del book.alive_until_us[name]
        if at_us - book.swept_us > _SWEEP_EVERY_US:
            book.swept_us = at_us
            gone = [key for key, slot in book.slots.items() if _is_over(slot, at_us)]
            for key in gone:
                del book.slots[key]

    def close(self) -> None:
        """Return everything this worker holds."""
        for hold_id in [one for one, (holder, _) in self._book.holds.items() if holder == self._worker]:
            self._release(hold_id)
        self._book.alive_until_us.pop(self._worker, None)

    def _slot(self, account: Account, at_us: int) -> _Slot:
        key = (account.name, account.window)
        slot = self._book.slots.get(key)
        if slot is None:
            slot = self._book.slots[key] = self._fresh(account, at_us)
        if account.span_us:
            slot.prune(account.span_us, at_us)
        return slot

    def _fresh(self, account: Account, at_us: int) -> _Slot:
        slot = _Slot(account, at_us)
        _reseed(slot, {}, self._book.seeds.get((account.name, account.window), {}))
        return slot

    def _release(self, hold_id: str) -> None:
        held = self._book.holds.pop(hold_id, None)
        if held is None:
            return
        _, hold = held
        for account, amount in zip(hold.accounts, hold.amounts, strict=True):
            slot = self._book.slots.get((account.name, account.window))
            if slot is not None:
                slot.held -= amount


def _standing(account: Account, amount: int, slot: _Slot) -> Standing:
    limit = slot.limit if account.keeps_limit else account.limit
    free_us = None
    if limit is not None and slot.buckets is not None:
        excess = slot.spent + slot.held + amount - limit
        free_us = free_at(tuple(slot.buckets.items()), span_us=account.span_us, excess=excess)
    return Standing(spent=slot.spent, held=slot.held, limit=limit, opened_us=slot.opened_us, free_us=free_us)


def _reseed(slot: _Slot, before: Mapping[int, int], after: Mapping[int, int]) -> None:
    for bucket in before.keys() | after.keys():
        change = after.get(bucket, 0) - before.get(bucket, 0)
        if slot.buckets is not None:
            if bucket < slot.pruned_to:
                continue
            slot.buckets[bucket] = slot.buckets.get(bucket, 0) + change
        slot.spent += change


def _is_over(slot: _Slot, at_us: int) -> bool:
    return slot.ends_us is not None and slot.ends_us < at_us and not slot.held
