"""What a recorded exchange was bounded by, and what it came to, at one catalog."""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bursar.catalog.compiled import packaged_sheet
from bursar.catalog.snapshot import Catalog, Match, build_catalog
from bursar.config import Provider
from bursar.dialects.base import Endpoint, Reading, Request
from bursar.dialects.registry import dialect_for
from bursar.events import CallFacts, Principal, Timings
from bursar.gateway.bound import Exposure, Unbounded, exposure_of
from bursar.gateway.settle import price
from bursar.gateway.targets import Target, build_target
from support.recorded import Exchange

AT_US = 1_795_000_000_000_000


class Outcome(NamedTuple):
    """One exchange: its bound before, and its cost after."""

    name: str
    request: Request
    reading: Reading
    exposure: Exposure | Unbounded
    cost: int | None


@cache
def packaged_catalog() -> Catalog:
    """The installed price list."""
    with tempfile.TemporaryDirectory() as folder:
        return build_catalog(packaged_sheet(Path(folder)))


@cache
def target_of(name: str) -> Target:
    """A provider that speaks this dialect, at its own prices."""
    provider = Provider(name=name, dialect=name, region="us-east-1" if name == "bedrock" else None)
    return build_target(provider, dialect_for(name), base_url="http://127.0.0.1:9", api_key=b"k", sign=None)


def outcomes(exchanges: Iterator[Exchange]) -> Iterator[Outcome]:
    """Bound and settle every exchange whose model has a price."""
    for exchange in exchanges:
        found = packaged_catalog().resolve(
            target_of(exchange.dialect).price_list,
            exchange.request.model or "",
            conditions=target_of(exchange.dialect).conditions,
            at_us=AT_US,
        )
        if isinstance(found, Match) and exchange.endpoint.billable:
            yield _outcome(exchange, found)


def _outcome(exchange: Exchange, found: Match) -> Outcome:
    target, request = target_of(exchange.dialect), exchange.request
    exposure = exposure_of(
        request,
        found,
        target=target,
        catalog=packaged_catalog(),
        body_bytes=len(exchange.body),
        at_us=AT_US,
    )
    reading = exchange.reading()
    facts = _facts(exchange.endpoint, request)
    charge = price(facts, reading, Timings(), target=target, catalog=packaged_catalog())
    return Outcome(exchange.name, request, reading, exposure, charge.cost)


def _facts(endpoint: Endpoint, request: Request) -> CallFacts:
    return CallFacts(
        call_id="0",
        attempt=1,
        at_us=AT_US,
        principal=Principal(),
        tags=(),
        task=None,
        task_type=None,
        dialect=endpoint.dialect,
        operation=endpoint.operation,
        provider=endpoint.dialect,
        model=request.model,
        stream=request.stream,
        catalog="",
        config="",
        bound=None,
    )
