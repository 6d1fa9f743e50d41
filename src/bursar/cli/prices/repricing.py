"""`bursar prices reprice`: price past calls on the catalog of today, and correct those that come out differently."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click
from msgspec import structs

from bursar.catalog.charge import Billing, busy_ms
from bursar.catalog.reprice import Attempt, reported
from bursar.catalog.reprice import reprice as correction_of
from bursar.catalog.snapshot import Catalog
from bursar.cli.options import config_option, format_option, moment
from bursar.cli.output import Format, Row, notice, print_rows
from bursar.cli.progress import Advance, progress
from bursar.cli.services import Services
from bursar.events import Corrected, Part, PriceStatus, Timings, UsageStatus
from bursar.ledger.client import LedgerClient
from bursar.ledger.plain import usd
from bursar.ledger.questions import AttemptRow, CandidatesQuestion, ReportQuestion
from bursar.money import Pico
from bursar.usage import Usage, meter_named, usage_of

_COLUMNS = (
    "provider",
    "model",
    "attempts",
    "corrected_attempts",
    "unpriced_attempts",
    "cost_before_usd",
    "cost_after_usd",
)

_PAGE = 10_000

_USAGE_UNKNOWN = (UsageStatus.MISSING.value, UsageStatus.INCONSISTENT.value)


class _Sums:
    """What repricing came to for one model."""

    def __init__(self) -> None:
        self.attempts = 0
        self.corrected = 0
        self.unpriced = 0
        """Attempts whose cost is still unknown."""
        self.before: int | None = None
        self.after: int | None = None

    def add(self, row: AttemptRow, correction: Corrected | None) -> None:
        """Count one attempt; unknown costs are in no sum."""
        after = row.cost if correction is None else correction.cost
        self.attempts += 1
        self.corrected += correction is not None
        self.unpriced += after is None
        self.before = _plus(self.before, row.cost)
        self.after = _plus(self.after, after)


@click.command()
@click.option("--since", required=True, metavar="WHEN", help="Calls from here on: 30d, 2026-11-01 …")
@click.option("--until", default="now", show_default=True, metavar="WHEN", help="Calls before this.")
@click.option("--unpriced-only", is_flag=True, help="Only calls that have no known cost.")
@click.option("--dry-run", is_flag=True, help="Say what would change; record nothing.")
@format_option
@config_option
@click.pass_obj
def reprice(
    services: Services,
    *,
    since: str,
    until: str,
    unpriced_only: bool,
    dry_run: bool,
    form: Format,
    config_path: Path | None,
) -> None:
    """Price past calls on the catalog in force and record a correction for each that comes out differently.

    Rows are never changed: a correction is a row of its own, dated like the call, and reports show what is true after
    it. A price is never taken back, and a second run corrects nothing.
    """
    now_us = services.clock.now_us()
    since_us = moment(since, now_us=now_us, option="--since")
    until_us = moment(until, now_us=now_us, option="--until")
    question = CandidatesQuestion(since_us=since_us, until_us=until_us, only_unpriced=unpriced_only, limit=_PAGE)
    catalog = services.catalog(config_path)
    sums: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    with (
        services.ledger(config_path) as ledger,
        nullcontext(_forget) if dry_run else services.recorder(config_path) as record,
        progress("repricing", _count(ledger, question)) as show,
    ):
        for row, correction in _corrections(ledger, question, catalog, now_us=now_us, show=show):
            sums[row.provider, row.model or row.requested_model or ""].add(row, correction)
            if correction is not None:
                record(correction)
    _print(sums, form)
    corrected = sum(one.corrected for one in sums.values())
    notice(f"{corrected} attempts {'would be corrected; nothing was recorded' if dry_run else 'corrected'}.")


def attempt_of(row: AttemptRow) -> Attempt:
    """A ledger row as repricing wants it."""
    usage = usage_of({meter_named(label): quantity for label, quantity in row.usage.items()})
    return Attempt(
        call_id=row.call_id,
        attempt=row.attempt,
        revision=row.revision,
        billing=_billing(row, usage),
        usage=usage,
        price_status=PriceStatus(row.price_status),
        cost=None if row.cost is None else Pico(row.cost),
    )


def _billing(row: AttemptRow, usage: Usage) -> Billing | None:
    """What decided the price; ``None`` when the usage is unknown, or the row is from before its price list was kept."""
    if row.price_list is None or (not row.usage and row.usage_status in _USAGE_UNKNOWN):
        return None
    timings = Timings(row.sent_us, row.first_byte_us, row.last_byte_us, row.total_us)
    return Billing(
        price_list=row.price_list,
        credential=row.provider,
        requested=row.requested_model,
        parts=row.parts or (Part(row.model or "", reported(usage)),),
        conditions=row.conditions,
        at_us=row.at_us,
        busy_ms=busy_ms(timings),
    )


def _corrections(
    ledger: LedgerClient, question: CandidatesQuestion, catalog: Catalog, *, now_us: int, show: Advance
) -> Iterator[tuple[AttemptRow, Corrected | None]]:
    """Every attempt of the window, a page at a time, with the correction it needs."""
    done = 0
    while rows := ledger.ask(question).rows:
        for row in rows:
            yield row, correction_of(attempt_of(row), catalog, recorded_us=now_us)
        last = rows[-1]
        question = structs.replace(question, after=(last.at_us, last.call_id, last.attempt))
        done += len(rows)
        show(done)


def _count(ledger: LedgerClient, question: CandidatesQuestion) -> int:
    total = ledger.ask(ReportQuestion(since_us=question.since_us, until_us=question.until_us)).total
    return total.unpriced_requests if question.only_unpriced else total.attempts


def _print(sums: dict[tuple[str, str], _Sums], form: Format) -> None:
    rows = [_row(provider, model, one) for (provider, model), one in sorted(sums.items())]
    if form == "table":
        rows.append(_row("total", "", _total(sums)))
    print_rows(rows, columns=_COLUMNS, form=form)


def _row(provider: str, model: str, sums: _Sums) -> Row:
    return {
        "provider": provider,
        "model": model,
        "attempts": sums.attempts,
        "corrected_attempts": sums.corrected,
        "unpriced_attempts": sums.unpriced,
        "cost_before_usd": usd(sums.before),
        "cost_after_usd": usd(sums.after),
    }


def _total(sums: dict[tuple[str, str], _Sums]) -> _Sums:
    total = _Sums()
    for one in sums.values():
        total.attempts += one.attempts
        total.corrected += one.corrected
        total.unpriced += one.unpriced
        total.before = _plus(total.before, one.before)
        total.after = _plus(total.after, one.after)
    return total


def _plus(sum_so_far: int | None, amount: int | None) -> int | None:
    return sum_so_far if amount is None else (sum_so_far or 0) + amount


def _forget(_correction: Corrected) -> None:
    """Record nothing."""
