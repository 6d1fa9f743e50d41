"""`bursar explain`: why one call cost what it did."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from bursar.catalog.sources import card_sources
from bursar.cli.options import config_option
from bursar.cli.output import Format, console, notice, print_object, print_rows
from bursar.cli.services import Services
from bursar.ledger.explanation import explain as explanation_of
from bursar.ledger.questions import ExplainQuestion, Explanation

_ATTEMPT_FACTS = (
    ("card", "card"),
    ("card_source", "price source"),
    ("certainty", "certainty"),
    ("service_tier", "service tier"),
    ("response_id", "response id"),
    ("raw_usage", "raw usage"),
)
"""Fields of an attempt that are printed where they are known, and their labels."""


@click.command()
@click.argument("request_id", required=False)
@click.option(
    "--dry-run",
    "file",
    metavar="FILE",
    help="Say instead what would become of the request whose JSON body is in FILE (- for standard input).",
)
@click.option("--path", metavar="PATH", help="With --dry-run: where it goes.  [default: /v1/chat/completions]")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="With --dry-run: a header of it.")
@click.option("--key", metavar="NAME", help="With --dry-run: the virtual key it is sent with.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print: for people, one JSON object, or the cost lines as CSV.",
)
@config_option
@click.pass_context
def explain(
    context: click.Context,
    *,
    request_id: str | None,
    file: str | None,
    path: str | None,
    headers: tuple[str, ...],
    key: str | None,
    form: Format,
    config_path: Path | None,
) -> None:
    """Print everything known about one call: who, what, every cost line, decisions, timings, what is estimated.

    REQUEST_ID is the x-bursar-request-id header of the answer, or the provider's response id.

    \b
    bursar explain --dry-run body.json --key search-prod --header x-bursar-feature=answers

    With --dry-run, print what would become of a request: key, tags, price, the most it may cost and why, and every
    limit and budget it meets with what is spent, reserved and left. Nothing is sent, held or recorded; the exit code
    is 1 when it would be refused.
    """
    services: Services = context.obj
    if file is not None:
        # What decides about requests is half a second of imports, which an explanation does not need.
        from bursar.cli.dry_run import DryRun, dry_run  # noqa: PLC0415

        asked = DryRun(file=file, path=path, headers=headers, key=key, form=form)
        context.exit(0 if dry_run(services, config_path, asked) else 1)
    if request_id is None:
        raise click.UsageError("name a request id, or a file with --dry-run")
    with services.ledger(config_path) as ledger:
        answer = ledger.ask(ExplainQuestion(call_id=request_id))
    if not answer.present:
        state = "is still in flight" if answer.in_flight else "is not in this ledger"
        notice(f"Call {request_id} {state}.")
        context.exit(1)
    told = explanation_of(answer, _sources(services, config_path, answer))
    if form == "json":
        print_object(told)
    elif form == "csv":
        print_rows(told["lines"], columns=("meter", "unit", "quantity", "unit_price_usd", "cost_usd"), form=form)
    else:
        _print_explanation(told)


def _sources(services: Services, config_path: Path | None, answer: Explanation) -> dict[str, str]:
    """Where the figures of the cards come from; only now is the catalog loaded, since a report does not need it."""
    cards = {row.card for row in answer.rows if row.card is not None}
    if not cards:
        return {}
    _, data_dir = services.config(config_path)
    return card_sources(cards, catalog=services.catalog(config_path), data_dir=data_dir)


def _print_explanation(told: dict[str, Any]) -> None:
    out = console()
    for name, value in _summary(told):
        out.print(Text(f"{name:<14}", style="bold") + Text(value))
    for attempt in told["attempts"]:
        _print_attempt(attempt)
    for correction in told["corrections"]:
        out.print(
            f"corrected {correction['recorded_at']}: {correction['reason']} → "
            f"{_money(correction['cost_usd'])} ({correction['card']})"
        )


def _summary(told: dict[str, Any]) -> list[tuple[str, str]]:
    tags = told["tags"]
    pairs = ", ".join(f"{name}={value}" for name, value in tags.items()) if isinstance(tags, dict) else ""
    model = told["model"] or told["requested_model"]
    served = f"{model}" + (f" (asked for {told['requested_model']})" if model != told["requested_model"] else "")
    lines = [
        ("call", str(told["id"])),
        ("at", str(told["at"])),
        ("status", str(told["status"])),
        ("key", str(told["key"] or "–")),
        ("tags", pairs or "–"),
        (
            "provider",
            f"{told['provider']} ({told['dialect']} {told['operation']}{', streamed' if told['stream'] else ''})",
        ),
        ("model", served),
        ("cost", f"{_money(told['cost_usd'])} ({told['price_status']})"),
    ]
    if told["task"]:
        lines.insert(5, ("task", f"{told['task']} {told['task_type'] or ''}".strip()))
    return lines


def _print_attempt(attempt: dict[str, Any]) -> None:
    out = console()
    out.print()
    out.print(
        Text(f"attempt {attempt['attempt']}", style="bold")
        + Text(f"  {attempt['outcome']}, HTTP {attempt['http_status'] or '–'}")
    )
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, justify in (("meter", "left"), ("quantity", "right"), ("unit price $", "right"), ("cost $", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type] # one of rich's words
    for line in attempt["lines"]:
        table.add_row(
            line["meter"], f"{line['quantity']:,}", f"{line['unit_price_usd']} / {line['unit']}", line["cost_usd"]
        )
    table.add_row(
        Text("total", style="bold"), "", "", Text(_money(attempt["cost_usd"]).removeprefix("$"), style="bold")
    )
    out.print(table)
    for name, label in _ATTEMPT_FACTS:
        if attempt[name]:
            out.print(Text(f"  {label:<14}", style="dim") + Text(str(attempt[name])))
    out.print(Text(f"  {'timings':<14}", style="dim") + Text(_timings(attempt)))
    for decision in attempt["decisions"]:
        out.print(Text(f"  {'decision':<14}", style="dim") + Text(str(decision)))


def _timings(attempt: dict[str, Any]) -> str:
    points = (
        ("sent", "sent_ms"),
        ("first byte", "first_byte_ms"),
        ("last byte", "last_byte_ms"),
        ("total", "total_ms"),
    )
    return ", ".join(f"{name} {attempt[field]} ms" for name, field in points if attempt[field] is not None)


def _money(value: object) -> str:
    return "unknown" if value is None else f"${value}"
