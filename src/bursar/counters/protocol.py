"""The protocol of counters, as one worker sees them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from bursar.policy.claims import Account, Hold, Verdict


class Spot(Struct, frozen=True):
    """One part of an account's history: the whole of a calendar window, or one part of a rolling one."""

    account: str
    window: int = 0
    bucket: int = 0
    """Number of the part of a rolling window: instant // `policy.claims.bucket_us`; 0 for any other account."""


class Balance(Struct, frozen=True):
    """An account as it stands."""

    spent: int
    held: int


class Waiting(Protocol):
    """A verdict that is still on its way; `asyncio.Future` is one."""

    def add_done_callback(self, callback: Callable[[object], object], /) -> None:
        """Call back with this object when the verdict is there."""
        ...

    def result(self) -> Verdict:
        """The verdict; raises CountersUnavailable."""
        ...


class Reserving(Protocol):
    """Where attempts hold what they may use."""

    def reserve(self, hold: Hold) -> "Verdict | Waiting":
        """Hold every amount or none.

        An account has room for an amount above 0 when spent + held + amount is at most its limit and it is not older
        than its greatest age. Raises CountersUnavailable, or its result does, when that cannot be told; then nothing
        stays held for longer than a lease.
        """
        ...

    def settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        """Replace a hold by what was really used, by position. Never fails: what cannot be counted now is counted as
        soon as the store is back, and a hold that a lease has ended counts all the same. To be called once for each
        granted hold, and also for one that was admitted unchecked.
        """
        ...


class Counters(Reserving, Protocol):
    """One worker's access to the accounts that all workers share."""

    def balances(self, accounts: Collection[Account], *, at_us: int) -> Sequence[Balance]:
        """How accounts stand; one that nobody has used has spent what it was seeded with.

        Raises CountersUnavailable.
        """
        ...

    def seed(self, spent: Mapping[Spot, int]) -> None:
        """State what calls from before the counting began have spent; replaces what was stated before, and what is not
        named is 0. Raises CountersUnavailable.
        """
        ...

    def beat(self, *, at_us: int) -> None:
        """Say that this worker lives: its holds stay for another lease, and what dead workers held returns.

        To be called several times a lease. Never fails; `trouble` tells.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """Why the counters cannot be reached at present; ``None`` when they can."""
        ...

    def close(self) -> None:
        """End: this worker holds nothing any more."""
        ...
