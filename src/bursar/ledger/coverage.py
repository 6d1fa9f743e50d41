"""Tag coverage: how much of what was spent, and of what was sent, carries every tag that its rules ask for.

Ask the ledger for any report (a window, a team, a day) and read the coverage off its sums:
``coverage_of(ledger.ask(ReportQuestion(since_us=...)).total)``. Refused requests spent nothing and do not count.
"""

from typing import Final

from msgspec import Struct

from bursar.ledger.questions import Measures

_WHOLE: Final = 10_000


class Coverage(Struct, frozen=True):
    """The coverage of one group of requests. Shares are basis points, rounded down: 10,000 means all of it."""

    requests: int
    """Calls that were sent."""
    untagged_requests: int
    """Of these, without a tag that their rules ask for."""
    cost: int
    """The known cost, picodollars."""
    untagged_cost: int
    """Of this, spent by attempts that lack such a tag."""

    @property
    def requests_points(self) -> int | None:
        """Share of the requests that is fully tagged; ``None`` when nothing was sent."""
        return _points(self.requests - self.untagged_requests, self.requests)

    @property
    def cost_points(self) -> int | None:
        """Share of the known cost that is fully tagged; ``None`` when no cost is known or all was free."""
        return _points(self.cost - self.untagged_cost, self.cost)


def coverage_of(sums: Measures) -> Coverage:
    """The coverage of what these sums are about."""
    return Coverage(
        requests=sums.requests - sums.refused_requests,
        untagged_requests=sums.untagged_requests,
        cost=sums.cost or 0,
        untagged_cost=sums.untagged_cost,
    )


def _points(part: int, whole: int) -> int | None:
    return max(0, part) * _WHOLE // whole if whole > 0 else None
