"""Holding the ledger against the provider's own account, row by row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import genai_prices
import msgspec
from genai_prices import Usage as PublishedUsage

from bursar.ledger.questions import AttemptRow
from bursar.simulator.account import Entry

_LISTS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "bedrock": "aws"}


@dataclass
class Comparison:
    """What was found."""

    exact: int = 0
    """Rows equal to their entry: every meter, and the cost to the picodollar."""
    unbilled: int = 0
    estimated: int = 0
    unmatched_entries: list[Entry] = field(default_factory=list)
    """Provider requests without a row of their own: only attempts in flight at a kill may be among them."""
    interrupted: list[AttemptRow] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Disagreements; must be empty."""
    cost_pico: int = 0
    outcomes: Counter = field(default_factory=Counter)


def read_account(path: Path) -> list[Entry]:
    """The account file of a simulated provider."""
    return [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]


def compare(rows: Iterable[AttemptRow], entries: Iterable[Entry]) -> Comparison:
    """Match rows with entries by the provider's request id."""
    found = Comparison()
    unmatched = {entry.provider_request_id: entry for entry in entries}
    identities: set[tuple[str, int]] = set()
    without_id = []
    for row in rows:
        found.outcomes[row.outcome] += 1
        if (row.call_id, row.attempt) in identities:
            found.faults.append(f"{row.call_id}/{row.attempt} is there twice")
        identities.add((row.call_id, row.attempt))
        if row.outcome == "interrupted":
            found.interrupted.append(row)
            if row.bound is None or row.cost is not None:
                found.faults.append(f"{row.call_id} is interrupted without bound, or with a cost: {row}")
        elif row.provider_request_id is None:
            without_id.append(row)
        elif (entry := unmatched.pop(row.provider_request_id, None)) is None:
            found.faults.append(f"{row.call_id}: the provider knows no request {row.provider_request_id}")
        else:
            _hold(row, entry, found)
    _match_headless(without_id, unmatched, found)
    found.unmatched_entries = list(unmatched.values())
    return found


def _match_headless(rows: list[AttemptRow], unmatched: dict[str, Entry], found: Comparison) -> None:
    """Answers that broke off before their head carry no id: they must pair off by number."""
    headless = [entry for entry in unmatched.values() if entry.status == 0 or entry.response_bytes == 0]
    for row in rows:
        if row.usage_status == "reported":
            found.faults.append(f"{row.call_id} reports usage without an answer")
        elif row.outcome == "refused" or row.usage_status == "none":
            found.unbilled += 1
        elif headless:
            unmatched.pop(headless.pop().provider_request_id)
            found.estimated += 1
        else:
            found.faults.append(f"{row.call_id} ({row.outcome}) has no request at the provider")


def _hold(row: AttemptRow, entry: Entry, found: Comparison) -> None:
    if not entry.billed:
        found.unbilled += 1
        if row.cost != 0 or row.usage:
            found.faults.append(f"{row.call_id}: billed {row.usage} for an answer that the provider did not bill")
        return
    if not entry.usage_sent:
        found.estimated += 1
        if row.usage_status == "reported":
            found.faults.append(f"{row.call_id}: reported, although the provider sent no usage ({entry.fault})")
        elif row.price_status == "not_billed":
            found.faults.append(f"{row.call_id}: not billed, although the provider bills it ({entry.fault})")
        return
    if row.usage_status != "reported":
        found.faults.append(f"{row.call_id}: {row.usage_status}, although usage was sent; {row.decisions}")
    elif dict(row.usage) != dict(entry.quantities):
        found.faults.append(f"{row.call_id}: {row.usage} is not the provider's {entry.quantities}")
    elif row.cost != (expected := published_cost(row)):
        found.faults.append(f"{row.call_id}: {row.cost} pico is not the published {expected}; {row.decisions}")
    else:
        found.exact += 1
        found.cost_pico += expected


def published_cost(row: AttemptRow) -> int:
    """The cost by the price data's own calculator, in picodollars: a second opinion on every row."""
    quantities = row.usage
    reads = quantities.get("cache_read", 0)
    writes = {ttl: quantities.get(f"cache_write_{ttl}", 0) for ttl in ("5m", "30m", "1h")}
    usage = PublishedUsage(
        input_tokens=quantities.get("input_text", 0) + reads + sum(writes.values()),
        output_tokens=quantities.get("output_text", 0) + quantities.get("output_reasoning", 0),
        cache_read_tokens=reads,
        cache_write_tokens=sum(writes.values()),
        cache_write_1h_tokens=writes["1h"],
    )
    price = genai_prices.calc_price(
        usage,
        model_ref=row.model or row.requested_model,
        provider_id=_LISTS[row.dialect],
        genai_request_timestamp=datetime.fromtimestamp(row.at_us / 1_000_000, UTC),
    ).total_price
    return int(price * Decimal(10**12))
