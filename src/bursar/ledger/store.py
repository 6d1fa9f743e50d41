"""The store protocol: a closed set of named questions over rows, and the few changes the loader makes.

No SQL, no engine type and no row order leaks through it, so an index can be one DuckDB file today and a cluster
tomorrow; `tests/support/store_contract.py` is the contract that every implementation passes. A store is a projection:
all it holds can be rebuilt from the segments, and appending a segment twice adds nothing.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

import pyarrow as pa

from bursar.ledger.questions import (
    AttemptRow,
    CandidatesPage,
    CandidatesQuestion,
    Charges,
    ChargesQuestion,
    NewestQuestion,
    Report,
    ReportQuestion,
    StoreHealth,
    Velocities,
    VelocitiesQuestion,
)
from bursar.ledger.row import AttemptKey, Row


class Store(Protocol):
    """Rows, hourly sums, and the questions asked of them. Safe to question from any thread while one appends."""

    def applied(self) -> frozenset[str]:
        """Names of the segments whose rows, and of the days whose rollups, are in the store."""
        ...

    def append(self, segment: str, rows: pa.Table) -> None:
        """Add a segment's rows and their hourly sums, at once or not at all; a known name adds nothing."""
        ...

    def rename(self, segments: Collection[str], merged: str) -> None:
        """Take note that some segments' rows now lie in another one. Changes no row.

        Raises KeyError when one of them is not in the store.
        """
        ...

    def day_sums(self, day: str) -> pa.Table:
        """The hourly sums of one day, to be kept when its rows go."""
        ...

    def restore_day_sums(self, day: str, sums: pa.Table) -> None:
        """Add the kept sums of a dropped day; a day that is already there adds nothing."""
        ...

    def drop_day(self, day: str, segments: Collection[str]) -> None:
        """Forget a day's rows and segments; its hourly sums stay."""
        ...

    def present(self, keys: Collection[AttemptKey]) -> Mapping[AttemptKey, Row]:
        """The present row of each attempt that the store holds."""
        ...

    def report(self, question: ReportQuestion) -> Report:
        """Sums by dimensions; raises QuestionError for a dimension that does not exist."""
        ...

    def explain(self, call_id: str) -> tuple[AttemptRow, ...]:
        """Every row of one call, by attempt and revision; empty when there is none.

        A provider's response id is accepted in place of the call id.
        """
        ...

    def newest(self, question: NewestQuestion) -> tuple[AttemptRow, ...]:
        """Present rows, newest first."""
        ...

    def reprice_candidates(self, question: CandidatesQuestion) -> CandidatesPage:
        """One page of present rows with their usage, oldest first."""
        ...

    def charges(self, question: ChargesQuestion) -> Charges:
        """What attempts count against budgets; raises QuestionError for a dimension that does not exist."""
        ...

    def velocities(self, question: VelocitiesQuestion) -> Velocities:
        """How fast agent runs spend."""
        ...

    def health(self) -> StoreHealth:
        """How much the store holds."""
        ...

    def close(self) -> None:
        """Release the store; later calls fail."""
        ...
