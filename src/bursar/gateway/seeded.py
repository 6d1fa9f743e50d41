"""Whether this worker's counters know what was spent before: which accounts still lack it, and why."""

from bursar.policy.stems import RUNS


class Seeded:
    """Changed by whoever reads the ledger, read by every call that must hold something."""

    __slots__ = ("at_us", "missing", "problem")

    def __init__(self) -> None:
        self.missing: frozenset[str] = frozenset()
        """Stems of the accounts that lack what the ledger knows; closed gates refuse on them."""
        self.problem: str | None = None
        """Why the ledger could not be read the last time; ``None`` when it could."""
        self.at_us: int | None = None
        """When all was read last, on the monotonic clock; ``None`` = not yet."""

    @property
    def is_missing_budgets(self) -> bool:
        """Whether any budget is concerned, and not only runs, which every gateway may have."""
        return bool(self.missing - {RUNS})
