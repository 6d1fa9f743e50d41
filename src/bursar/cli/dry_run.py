"""`bursar explain --dry-run`: what would become of a request, with the arithmetic."""

from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Raw
from rich.text import Text

from bursar.cli.options import pair
from bursar.cli.output import Format, console, notice, print_object, print_rows, print_table
from bursar.cli.services import Services
from bursar.gateway.question import DEFAULT_PATH, CheckQuestion

_GATES: Final = (
    "kind",
    "name",
    "account",
    "measure",
    "mode",
    "limit",
    "spent",
    "held",
    "this_request",
    "remaining",
    "has_room",
)

_WIDTH: Final = 14


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say."""

    file: str
    path: str | None
    headers: tuple[str, ...]
    key: str | None
    form: Format


def dry_run(services: Services, config_path: Path | None, asked: DryRun) -> bool:
    """Look at a request and print what would become of it; returns whether it would be sent."""
    question = CheckQuestion(
        path=asked.path or DEFAULT_PATH,
        headers=dict(pair(text, form="NAME=VALUE", option="--header") for text in asked.headers),
        body=Raw(_body(asked.file)),
        key=asked.key,
    )
    told, is_live = services.check(config_path, question)
    if not is_live:
        notice("No gateway is running: what was spent comes from the ledger, and nothing is reserved.")
    if asked.form == "json":
        print_object(told)
    elif asked.form == "csv":
        print_rows(told["gates"], columns=_GATES, form="csv")
    else:
        _print(told)
    return bool(told["verdict"] == "send")


def _body(name: str) -> bytes:
    try:
        with click.open_file(name, "rb") as file:
            body: bytes = file.read()
    except OSError as missing:
        raise click.BadParameter(f"cannot read {name}: {missing.strerror}", param_hint="--dry-run") from None
    try:
        msgspec.json.decode(body, type=Raw)
    except msgspec.DecodeError as wrong:
        raise click.BadParameter(f"{name} is no JSON: {wrong}", param_hint="--dry-run") from None
    return body


def _print(told: dict[str, Any]) -> None:
    out = console()
    for name, value in _summary(told):
        out.print(Text(f"{name:<{_WIDTH}}", style="bold") + Text(value))
    if told["bound"]:
        out.print()
        print_table(told["bound"], columns=("what", "quantity", "unit_price_usd", "most_usd"), title="At most")
    if told["gates"]:
        out.print()
        print_table(told["gates"], columns=_GATES, title="Must find room in")
    for decision in told["decisions"]:
        out.print(Text(f"{'decision':<{_WIDTH}}", style="dim") + Text(decision))


def _summary(told: dict[str, Any]) -> list[tuple[str, str]]:
    refusal = told["refusal"]
    verdict = "would be sent" if refusal is None else f"would be refused: HTTP {refusal['status']}, {refusal['code']}"
    pairs = ", ".join(f"{name}={value}" for name, value in told["tags"].items())
    lines = [
        ("verdict", verdict),
        ("message", "" if refusal is None else refusal["message"]),
        ("key", told["key"] or ""),
        ("charged to", " / ".join(told[name] for name in ("organisation", "team", "project") if told[name])),
        ("tags", pairs),
        ("missing tags", ", ".join(told["missing_tags"])),
        ("route", f"{told['provider']} ({told['dialect']} {told['operation']})" if told["provider"] else ""),
        ("model", told["model"] or ""),
        ("card", told["card"] or ""),
        ("task", told["task"] or ""),
        ("costs at most", f"${told['bound_usd']}" if told["bound_usd"] else told["unbounded"] or ""),
        ("output cap", f"lowered to {told['output_cap']:,}" if told["output_cap"] is not None else ""),
        ("stopped at", f"${told['stop_at_usd']}" if told["stop_at_usd"] is not None else ""),
    ]
    return [(name, value) for name, value in lines if value]
