"""Records and rows for ledger tests: small builders with plain defaults, and Hypothesis strategies over them."""

from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from bursar.config import Ledger as Settings
from bursar.events import (
    CallFacts,
    Corrected,
    Opened,
    Outcome,
    PriceStatus,
    Principal,
    Record,
    Settled,
    Timings,
    UsageStatus,
)
from bursar.ledger.engine import Ledger
from bursar.ledger.files import Step, no_step
from bursar.ledger.frames import encode
from bursar.ledger.questions import CandidatesQuestion, ReportQuestion
from bursar.money import Pico
from bursar.price import CostLine, Rate
from bursar.usage import Meter

START_US = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

SETTINGS = Settings(memory_limit_mb=256)


class FixedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now_us: int = START_US) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        return self.us

    def new_id(self) -> str:
        return "00000000-0000-7000-8000-000000000000"


def facts(call: int = 1, attempt: int = 1, **changes: object) -> CallFacts:
    """Facts of the attempt of one numbered call."""
    values: dict[str, object] = {
        "call_id": f"call-{call:06d}",
        "attempt": attempt,
        "at_us": START_US + call * 1_000_000,
        "principal": Principal("acme", "search", "site", "key-1"),
        "tags": (("agent", "a1"), ("feature", "answers"), ("team", "search"), ("user", "u1")),
        "task": None,
        "task_type": None,
        "dialect": "openai",
        "operation": "chat.completions",
        "provider": "openai",
        "model": "gpt-5-mini",
        "stream": False,
        "catalog": "catalog-1",
        "config": "config-1",
        "bound": Pico(9_000),
        "card": "openai/gpt-5-mini#1",
    }
    return CallFacts(**{**values, **changes})


def settled(call: int = 1, attempt: int = 1, *, about: CallFacts | None = None, **changes: object) -> Settled:
    """A priced success of 3 input and 1 output tokens that cost 1,000 picodollars."""
    values: dict[str, object] = {
        "facts": about or facts(call, attempt),
        "outcome": Outcome.SUCCESS,
        "status": 200,
        "error": None,
        "model": "gpt-5-mini-2026-08-07",
        "service_tier": "default",
        "response_id": f"resp-{call}-{attempt}",
        "usage": ((int(Meter.INPUT_TEXT), 3), (int(Meter.OUTPUT_TEXT), 1)),
        "usage_status": UsageStatus.REPORTED,
        "raw_usage": '{"prompt_tokens":3}',
        "price_status": PriceStatus.PRICED,
        "cost": Pico(1_000),
        "list_cost": None,
        "provider_cost": None,
        "card": "openai/gpt-5-mini#1",
        "lines": (
            CostLine(int(Meter.INPUT_TEXT), 3, Rate(200), 600),
            CostLine(int(Meter.OUTPUT_TEXT), 1, Rate(400), 400),
        ),
        "decisions": ("key key-1 allowed",),
        "timings": Timings(10, 20, 30, 40),
        "request_bytes": 100,
        "response_bytes": 200,
    }
    return Settled(**{**values, **changes})


def unpriced(call: int = 1, attempt: int = 1, **changes: object) -> Settled:
    """A success whose cost is unknown."""
    return settled(call, attempt, price_status=PriceStatus.UNPRICED, cost=None, card=None, lines=(), **changes)


def corrected(call: int = 1, attempt: int = 1, *, revision: int = 1, cost: int | None, delta: int) -> Corrected:
    """A correction of one attempt's cost."""
    return Corrected(
        call_id=f"call-{call:06d}",
        attempt=attempt,
        revision=revision,
        recorded_us=START_US + DAY_US,
        reason="repriced",
        price_status=PriceStatus.UNPRICED if cost is None else PriceStatus.PRICED,
        cost=None if cost is None else Pico(cost),
        delta=Pico(delta),
        card="openai/gpt-5-mini#2",
        catalog="catalog-2",
        lines=(),
    )


def opened(call: int = 1, attempt: int = 1, **changes: object) -> Opened:
    """An attempt about to be sent."""
    return Opened(facts(call, attempt, **changes))


def write_spool(data_dir: Path, worker: str, records: Iterable[Record], *, sequence: int = 1) -> Path:
    """A dead worker's spool file with these records; without a lock file nobody is taken to live."""
    path = data_dir / "spool" / f"{worker}.{sequence:06d}.spool"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(encode, records)))
    return path


def open_ledger(
    data_dir: Path, *, step: Step = no_step, settings: Settings = SETTINGS, now_us: int = START_US
) -> Ledger:
    """The ledger of a data directory."""
    return Ledger(data_dir, settings, clock=FixedClock(now_us), step=step)


def truth_of(ledger: Ledger) -> list[tuple[object, ...]]:
    """What the ledger says is true now, one tuple an attempt: comparable between ledgers."""
    rows = ledger.ask(CandidatesQuestion(limit=100_000)).rows
    return [
        (row.call_id, row.attempt, row.outcome, row.price_status, row.cost, tuple(row.usage.items())) for row in rows
    ]


def totals_of(ledger: Ledger) -> object:
    """The sums over everything, from rows and from hourly sums, which must agree."""
    from_sums = ledger.ask(ReportQuestion()).total
    from_rows = ledger.ask(ReportQuestion(by=("user",))).total
    assert from_sums == from_rows
    return from_sums


names = st.sampled_from(["", "a", "b", "ü"])


@st.composite
def settlements(draw: st.DrawFn) -> Settled:
    """Settled attempts over few calls, tags and hours, so that they fall into the same groups."""
    price_status = draw(st.sampled_from(PriceStatus))
    is_known = price_status is not PriceStatus.UNPRICED
    cost = draw(st.integers(0, 2**63 - 1)) if is_known else None
    about = facts(
        draw(st.integers(1, 30)),
        draw(st.integers(1, 2)),
        at_us=START_US + draw(st.integers(-3, 3)) * HOUR_US + draw(st.sampled_from([0, 1, HOUR_US - 1])),
        principal=Principal(draw(names), draw(names), draw(names), "key-1"),
        tags=tuple((name, draw(names)) for name in draw(st.sets(st.sampled_from(["agent", "feature", "user"])))),
        model=draw(st.sampled_from(["m1", "m2", None])),
        stream=draw(st.booleans()),
        bound=draw(st.none() | st.integers(0, 10**12)),
        bound_tokens=draw(st.none() | st.integers(0, 10**7)),
        config=draw(st.sampled_from(["config-1", "config-2"])),
        task=draw(st.sampled_from([None, "t1", "t2"])),
    )
    return settled(
        about=about,
        outcome=draw(st.sampled_from(Outcome)),
        model=draw(st.sampled_from(["m1", "m3", None])),
        usage=tuple(sorted(draw(st.dictionaries(st.integers(0, 31), st.integers(1, 2**62), max_size=3)).items())),
        usage_status=draw(st.sampled_from(UsageStatus)),
        price_status=price_status,
        cost=cost,
        lines=(),
    )
