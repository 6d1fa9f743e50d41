"""What a request asks of counters, and what they answer.

A *claim* asks an account for an amount; a *hold* is all claims of one attempt, granted together or not at all. Amounts
are whole numbers in the account's own measure: picodollars, tokens, requests, or requests in flight.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

ROLLING_BUCKETS: Final = 60
"""Parts of a rolling window. What was used leaves the window when its part is entirely older than the window, so an
account can look at most a sixtieth longer back than its window, never shorter."""


class Account(Struct, frozen=True):
    """Room that requests share, in one window."""

    name: str
    """The same for all requests that share it, and for all its windows."""
    window: int = 0
    """First instant of its calendar window, Unix microseconds; 0 for an account without one."""
    limit: int | None = None
    """The most that spent and held may come to; ``None`` counts and never refuses."""
    span_us: int = 0
    """Length of a rolling window; 0 for any other account."""
    idle_us: int | None = None
    """It may be forgotten when no claim has come for this long; ``None`` = never."""
    keeps_limit: bool = False
    """The limit of the account's first claim stands for all later ones."""
    max_age_us: int | None = None
    """Longest time from the account's first claim to the latest."""


class Hold(Struct, frozen=True):
    """The claims of one attempt."""

    id: str
    at_us: int
    """Admission; decides which part of a rolling window the amounts belong to."""
    accounts: tuple[Account, ...]
    """No account twice."""
    amounts: tuple[int, ...]
    """What to hold of each; not negative. A claim of 0 is always granted: what costs nothing is never refused."""


class Standing(Struct, frozen=True):
    """An account as a claim found it."""

    spent: int
    held: int
    limit: int | None
    """The limit in force, which an earlier claim may have set."""
    opened_us: int
    """When its first claim came; its age is counted from then."""
    free_us: int | None = None
    """From when on there is room for the claim if nothing else happens; ``None`` = not foreseeable."""


class Verdict(Struct, frozen=True):
    """The answer to a hold."""

    used: tuple[int, ...] = ()
    """Granted: spent and held of each claim's account, this claim included."""
    limits: tuple[int | None, ...] = ()
    """Granted: the limit in force of each claim."""
    short: tuple[int, ...] = ()
    """Refused: positions of the claims that found no room. Nothing was held."""
    standings: tuple[Standing, ...] = ()
    """Refused: how every claim found its account."""

    @property
    def is_granted(self) -> bool:
        """Whether everything is held."""
        return not self.short


def bucket_us(span_us: int) -> int:
    """Length of one part of a rolling window."""
    return max(1, -(-span_us // ROLLING_BUCKETS))


def free_at(buckets: Sequence[tuple[int, int]], *, span_us: int, excess: int) -> int | None:
    """When a rolling window has let go of ``excess``.

    ``buckets`` are (number, amount) pairs of what was spent. ``None`` when all of them together are less.
    """
    length = bucket_us(span_us)
    for number, amount in sorted(buckets):
        excess -= amount
        if excess <= 0:
            return (number + 1) * length + span_us
    return None
