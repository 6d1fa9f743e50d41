"""`bursar report`: what was spent, grouped by anything."""

from pathlib import Path
from typing import Any

import click

from bursar.cli.options import config_option, format_option, moment, pair
from bursar.cli.output import Format, notice, print_rows, print_table
from bursar.cli.services import Services
from bursar.clock import format_us
from bursar.ledger.plain import MEASURE_FIELDS, measures, report_rows
from bursar.ledger.questions import Report, ReportQuestion
from bursar.money import format_usd

_TABLE_MEASURES = (
    "requests",
    "cost_usd",
    "unpriced_requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "errors",
)


@click.command()
@click.option(
    "--by",
    default="team",
    show_default=True,
    metavar="DIM[,DIM…]",
    help="What to group by: team, feature, model, provider, key, user, day, hour, outcome … or a tag; '' for a total.",
)
@click.option("--since", default="7d", show_default=True, metavar="WHEN", help="Start: 7d, 24h, 2026-11-01 …")
@click.option("--until", default="now", show_default=True, metavar="WHEN", help="End, excluded.")
@click.option("--where", "filters", multiple=True, metavar="DIM=VALUE", help="Only these rows; repeat for more.")
@click.option("--order", metavar="FIELD", help="Measure (largest first) or dimension. Default: cost, or time.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many groups.")
@format_option
@config_option
@click.pass_obj
def report(
    services: Services,
    *,
    by: str,
    since: str,
    until: str,
    filters: tuple[str, ...],
    order: str | None,
    limit: int | None,
    form: Format,
    config_path: Path | None,
) -> None:
    """Print spend, tokens and counts over a window, grouped by any dimensions.

    \b
    bursar report --by team,model --since 7d
    bursar report --by day --where feature=search --format json
    """
    now_us = services.clock.now_us()
    question = ReportQuestion(
        by=tuple(part.strip() for part in by.split(",") if part.strip()),
        since_us=moment(since, now_us=now_us, option="--since"),
        until_us=None if until == "now" else moment(until, now_us=now_us, option="--until"),
        filters=tuple(pair(text, form="DIM=VALUE", option="--where") for text in filters),
        order=order.removesuffix("_usd") if order else None,
        limit=limit,
    )
    with services.ledger(config_path) as ledger:
        answer = ledger.ask(question)
    rows = report_rows(answer)
    if form != "table":
        print_rows(rows, columns=(*answer.by, *MEASURE_FIELDS), form=form)
        return
    _print_report(answer, rows)


def _print_report(answer: Report, rows: list[dict[str, Any]]) -> None:
    columns = (*answer.by, *_TABLE_MEASURES)
    total = dict.fromkeys(answer.by, "") | measures(answer.total)
    if answer.by:
        total[answer.by[0]] = "total"
    print_table([*rows, total] if answer.by else [total], columns=columns)
    if answer.groups > len(rows) and answer.by:
        notice(f"Groups not shown: {answer.groups - len(rows):,}; the total covers all of them.")
    sums = answer.total
    if sums.unpriced_requests:
        notice(
            f"Attempts without a known cost, not in the sums: {sums.unpriced_requests:,}; "
            "see them with --by model --where price_status=unpriced"
        )
    if sums.interrupted_requests:
        notice(
            f"Interrupted attempts: {sums.interrupted_requests:,}; they cost at most "
            f"${format_usd(sums.interrupted_bound)} in all."
        )
    if sums.estimated_requests:
        notice(f"Estimated attempts, whose provider's usage did not arrive: {sums.estimated_requests:,}.")
    if sums.untagged_requests:
        notice(
            f"Requests without a required tag: {sums.untagged_requests:,}; they cost "
            f"${format_usd(sums.untagged_cost)}. See what they lack with --by untagged."
        )
    if answer.lacks_before_us is not None:
        notice(f"Detailed rows before {format_us(answer.lacks_before_us)} were dropped by retention.")
