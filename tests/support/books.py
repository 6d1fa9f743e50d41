"""What the gateway recorded, held against what the simulated provider booked: the proof that a client was metered."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bursar.events import CallFacts, Outcome, PriceStatus, Settled
from bursar.price import cost
from bursar.simulator.account import Entry, labelled
from bursar.usage import Usage, meter_named, usage_of
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

PROVIDER_KEY = "sk-provider"
"""What the gateway presents upstream, and nobody else does."""

PROVIDER_ID = "AKIAPROVIDER"
"""The same, where it signs."""

OWN_KEY = "sk-ant-oat-callers-own"
"""A caller's own provider credential, which the provider "own" is configured to be given."""

_CREDENTIALS = {"bedrock": PROVIDER_ID, "own": OWN_KEY}

FRESH = frozenset({"id", "created", "created_at", "completed_at", "call_id", "item_id", "response_id", "_request_id"})
"""Names whose values a provider makes up anew for every answer."""


class Booked(NamedTuple):
    """One attempt as both sides saw it."""

    row: Settled
    entry: Entry

    @property
    def facts(self) -> CallFacts:
        return self.row.facts


class Books:
    """The rows and entries of one test."""

    def __init__(self, gateway: GatewayThread, *providers: RunningSimulator) -> None:
        self._gateway = gateway
        self._providers = providers
        self._start = len(gateway.recorder.settled)

    def count(self) -> int:
        """How many rows there are: all of them, once the client has every answer, as rows are written before that."""
        return len(self._gateway.recorder.settled) - self._start

    def rows(self, count: int) -> list[Settled]:
        """The rows settled since the test began, once there are ``count``; more than that is an error."""
        rows = self._gateway.recorder.wait(self._start + count)[self._start :]
        if len(rows) != count:
            raise AssertionError(f"expected {count} rows, there are {len(rows)}: {[row.facts for row in rows]}")
        return rows

    def refused(self) -> Settled:
        """The only row, of a call that never reached a provider."""
        (row,) = self.rows(1)
        assert row.outcome == Outcome.REFUSED
        return row

    def booked(self, count: int = 1) -> list[Booked]:
        """Every row with the provider's entry for it; usage, cost and ids of both must agree.

        An answer whose usage never was on the wire, or whose price is unknown, is not held to that.
        """
        pairs = [Booked(row, self._entry_of(row)) for row in self.rows(count)]
        for pair in pairs:
            self._hold(pair)
        return pairs

    def one(self) -> Booked:
        """The only pair."""
        (pair,) = self.booked(1)
        return pair

    def _entry_of(self, row: Settled) -> Entry:
        self._gateway.until(lambda: self._find(row) is not None)
        entry = self._find(row)
        assert entry is not None
        return entry

    def _find(self, row: Settled) -> Entry | None:
        entries = (entry for provider in self._providers for entry in provider.account.entries())
        return next((entry for entry in entries if entry.provider_request_id == row.provider_request_id), None)

    def _hold(self, pair: Booked) -> None:
        row, entry = pair
        assert entry.credential == _CREDENTIALS.get(row.facts.provider.removeprefix("slow-"), PROVIDER_KEY)
        leaked = [name for name in entry.header_names if name.startswith("x-bursar-")]
        assert not leaked, f"the provider saw {leaked}"
        answer = row.response_id if entry.billed else None
        recorded = (row.status, answer, _reported(row, labelled(Usage(row.usage))), row.price_status, row.cost)
        answer = _answer_id(entry) if entry.billed else None
        booked = (entry.status, answer, _reported(row, entry.quantities), *self._charge(pair))
        assert booked == recorded, f"booked {booked}, recorded {recorded}"
        assert row.cost == sum(line.pico for line in row.lines), f"{row.cost} is not the sum of {row.lines}"
        bound = row.facts.bound
        assert bound is None or row.cost is None or row.cost <= bound, f"cost {row.cost}, bounded by {bound}"
        served = row.model or row.facts.model
        assert not entry.billed or served == entry.model, f"booked {entry.model}, recorded {served}"

    def _charge(self, pair: Booked) -> tuple[PriceStatus, int | None]:
        """Price status and cost of what the provider booked, on the card the row names."""
        row, entry = pair
        if not entry.quantities:
            return PriceStatus.NOT_BILLED, 0
        card = self._gateway.gateway.snapshot.catalog.card(row.card)
        assert card is not None, f"the row names no price card: {row.decisions}"
        used = usage_of({meter_named(label): quantity for label, quantity in entry.quantities.items()})
        return PriceStatus.PRICED, cost(used, card).total


def _answer_id(entry: Entry) -> str | None:
    """The answer's own id; on Bedrock, whose answers have none in common, the request's."""
    return entry.provider_request_id if entry.dialect == "bedrock" else entry.response_id


def _reported(row: Settled, quantities: Mapping[str, int]) -> dict[str, int]:
    """Quantities as far as the answer tells them apart: Anthropic's output tokens include thinking, here unsaid."""
    told = dict(quantities)
    if row.facts.dialect in ("anthropic", "bedrock") and "output_reasoning" in told:
        told["output_text"] = told.get("output_text", 0) + told.pop("output_reasoning")
    return told


def without_fresh(value: Any) -> Any:
    """An SDK's answer as plain values, without what a provider makes up anew for every answer."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", warnings=False)
    if isinstance(value, dict):
        return {name: without_fresh(one) for name, one in value.items() if name not in FRESH}
    if isinstance(value, list | tuple):
        return [without_fresh(one) for one in value]
    return value
