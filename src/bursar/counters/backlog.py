"""Settlements that a store could not count yet, in bounded memory however long it stays away.

What was held is kept one by one, since the store has to release each; there is no more of it than was in flight when
the store went. What was admitted unchecked is added up by account and part of its window.
"""

from collections.abc import Sequence

from msgspec import Struct

from bursar.policy.claims import Account, Hold, bucket_us


class Settlement(Struct, frozen=True):
    """What a hold came to, by position."""

    hold: Hold
    amounts: tuple[int, ...]


class Backlog:
    """Settlements in waiting, oldest first."""

    def __init__(self) -> None:
        self._held: list[Settlement] = []
        self._sums: dict[tuple[str, int, int], tuple[Account, int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._held or self._sums)

    def add(self, hold: Hold, amounts: Sequence[int], *, is_held: bool) -> None:
        """Keep a settlement; ``is_held`` when the store may hold something for it."""
        if is_held:
            self._held.append(Settlement(hold, tuple(amounts)))
            return
        for account, amount in zip(hold.accounts, amounts, strict=True):
            if amount:
                self._add(account, hold.at_us, amount)

    def take(self, most: int) -> list[Settlement]:
        """The next settlements, which are the caller's now; it puts back what it does not get rid of."""
        taken, self._held = self._held[:most], self._held[most:]
        while self._sums and len(taken) < most:
            _, (account, at_us, amount) = self._sums.popitem()
            # No id: nothing is held under it.
            taken.append(Settlement(Hold("", at_us, (account,), (0,)), (amount,)))
        return taken

    def put_back(self, settlements: Sequence[Settlement]) -> None:
        """Keep what was taken, ahead of all else."""
        held = [one for one in settlements if one.hold.id]
        self._held[:0] = held
        for one in settlements:
            if not one.hold.id:
                self._add(one.hold.accounts[0], one.hold.at_us, one.amounts[0])

    def _add(self, account: Account, at_us: int, amount: int) -> None:
        part = at_us // bucket_us(account.span_us) if account.span_us else 0
        key = (account.name, account.window, part)
        before = self._sums.get(key)
        if before is not None:
            # The account as it was claimed of first: its limit may be kept.
            account, at_us, amount = before[0], max(at_us, before[1]), amount + before[2]
        self._sums[key] = (account, at_us, amount)
