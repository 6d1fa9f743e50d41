"""What the pages and the API ask, so that both give the same answer as the command line."""

import asyncio
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from starlette.datastructures import QueryParams

from bursar.catalog.sources import card_sources
from bursar.console.queries import newest_question, report_question
from bursar.errors import BursarError
from bursar.gateway.state import Gateway
from bursar.ledger.client import AsyncLedgerClient
from bursar.ledger.explanation import explain
from bursar.ledger.questions import (
    AttemptRow,
    ExplainQuestion,
    Explanation,
    Newest,
    Report,
    Summary,
    SummaryQuestion,
)


class UnknownCall(BursarError):
    """The ledger has no settled row of a call."""


class Explained(Struct, frozen=True):
    """One call: as the API tells it, and its rows."""

    told: dict[str, Any]
    """What `bursar explain` prints."""
    rows: tuple[AttemptRow, ...]
    """The row of each attempt that holds now, in the order of ``told["attempts"]``."""


class Answers:
    """Asks one ledger. Every method raises LedgerUnavailable when the ledger is away."""

    def __init__(self, gateway: Gateway, ledger: AsyncLedgerClient, data_dir: Path) -> None:
        self._gateway: Final = gateway
        self._ledger: Final = ledger
        self._data_dir: Final = data_dir

    def now_us(self) -> int:
        """The gateway's wall clock."""
        return self._gateway.clock.now_us()

    async def report(self, query: QueryParams) -> Report:
        """Sums over a window; raises QuestionError naming what is valid."""
        return await self._ledger.ask(report_question(query, now_us=self.now_us()))

    async def newest(self, query: QueryParams) -> Newest:
        """The newest attempts; raises QuestionError naming what is valid."""
        return await self._ledger.ask(newest_question(query, now_us=self.now_us()))

    async def summary(self) -> Summary:
        """The figures of the first page."""
        return await self._ledger.ask(SummaryQuestion(now_us=self.now_us()))

    async def explained(self, call_id: str) -> Explained:
        """Everything about one call, by its id or a provider's response id; raises UnknownCall."""
        answer = await self._ledger.ask(ExplainQuestion(call_id=call_id))
        if not answer.present:
            state = "is still in flight" if answer.in_flight else "is not in this ledger"
            raise UnknownCall(f"Call {call_id} {state}.")
        return Explained(explain(answer, await self._sources(answer)), answer.present)

    async def _sources(self, answer: Explanation) -> dict[str, str]:
        cards = {row.card for row in answer.rows if row.card is not None}
        # In a thread, because cards that are not in force any more are looked up in files.
        return await asyncio.to_thread(
            card_sources, cards, catalog=self._gateway.snapshot.catalog, data_dir=self._data_dir
        )
