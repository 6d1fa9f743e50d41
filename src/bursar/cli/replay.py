"""`bursar replay`: play a recorded trace against a running gateway and sum up what came of it."""

import http.client
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
from msgspec import structs

from bursar.cli.options import config_option, pair
from bursar.cli.output import Cell, Format, Row, print_rows, print_table
from bursar.cli.progress import progress
from bursar.cli.services import Services
from bursar.config import Config
from bursar.errors import GatewayUnavailable
from bursar.replay.run import ReplaySettings, run_replay
from bursar.replay.summary import Percentiles, Summary
from bursar.replay.trace import read_trace
from bursar.replay.trace_request import TraceRequest

_PROBE_TIMEOUT_S: Final = 5.0

_EXIT_STOPPED: Final = 130

_DEFAULTS: Final = ReplaySettings(base_url="", key="bursar-replay")


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=_DEFAULTS.speed,
    show_default=True,
    metavar="N",
    help="Times as fast as it was recorded; 0 = as fast as answers come back.",
)
@click.option("--url", metavar="URL", help="The gateway.  [default: server.host and server.port]")
@click.option(
    "--key", metavar="env:NAME", help="Virtual key to send, as env:NAME or file:PATH; needed where there are [[keys]]."
)
@click.option(
    "--model", default=_DEFAULTS.model, show_default=True, metavar="NAME", help="For requests whose trace names none."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N requests.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=_DEFAULTS.concurrency,
    show_default=True,
    metavar="N",
    help="Most requests in flight.",
)
@click.option(
    "--stream-share",
    type=click.FloatRange(0, 1),
    default=_DEFAULTS.stream_share,
    show_default=True,
    metavar="SHARE",
    help="Share of requests that ask for a stream.",
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag every request; repeat for more.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print the summary: for people, an array of one object, or CSV.",
)
@config_option
@click.pass_context
def replay(
    context: click.Context,
    *,
    file: Path,
    speed: float,
    url: str | None,
    key: str | None,
    model: str,
    limit: int | None,
    concurrency: int,
    stream_share: float,
    tags: tuple[str, ...],
    form: Format,
    config_path: Path | None,
) -> None:
    """Send the requests of a trace to the gateway at their recorded times, with prompts of their recorded size.

    FILE is a table of requests (.csv, .tsv), one JSON object a line (.jsonl), an agent session (.json) or a folder of
    those, each also as .gz. Ctrl-C stops and sums up what there is. Exits 1 when no request succeeded.

    \b
    bursar replay trace.csv --speed 60 --limit 1000
    bursar replay sessions/ --speed 0 --tag feature=load-test --format json
    """
    services: Services = context.obj
    config, _ = services.config(config_path)
    settings = structs.replace(
        _DEFAULTS,
        base_url=_checked_url(url or _own_url(config)),
        key=services.secret(key, what="--key") if key is not None else _DEFAULTS.key,
        model=model,
        speed=speed,
        concurrency=concurrency,
        stream_share=stream_share,
        is_simulated=bool(config.providers) and all(provider.simulated for provider in config.providers),
    )
    extra = tuple(pair(text, form="NAME=VALUE", option="--tag") for text in tags)
    with progress("replaying", _count(file, limit)) as show:
        summary = run_replay(
            _requests(file, limit, extra), settings, on_progress=lambda progressed: show(progressed.done)
        )
    if form == "table":
        _print_summary(summary)
    else:
        row = _row(summary)
        print_rows([row], columns=tuple(row), form=form)
    if summary.interrupted:
        context.exit(_EXIT_STOPPED)
    if not summary.succeeded:
        context.exit(1)


def _own_url(config: Config) -> str:
    host = config.server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.server.port}"


def _checked_url(url: str) -> str:
    """The address of a gateway that answers; raises BadParameter or GatewayUnavailable."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise click.BadParameter(f"{url!r} is no address like http://127.0.0.1:4100", param_hint="--url")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as failed:
        raise GatewayUnavailable(
            f"no gateway answers at {url} ({failed}); start one with `bursar serve`, or name another with --url"
        ) from None
    finally:
        connection.close()
    if status != http.client.OK:
        raise GatewayUnavailable(f"what answers at {url} is no healthy gateway: /healthz said {status}")
    return url


def _requests(file: Path, limit: int | None, tags: Iterable[tuple[str, str]]) -> Iterator[TraceRequest]:
    added = dict(tags)
    for request in islice(read_trace(file), limit):
        yield structs.replace(request, tags=tuple(sorted((dict(request.tags) | added).items()))) if added else request


def _count(file: Path, limit: int | None) -> int:
    """How many requests will be sent; reading the trace once also finds unreadable lines before anything is sent."""
    return sum(1 for _ in islice(read_trace(file), limit))


def _row(summary: Summary) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "requests": summary.requests,
        "succeeded_requests": summary.succeeded,
        "cost_usd": summary.cost_usd,
        "cost_unknown_requests": summary.cost_unknown,
        "input_tokens": summary.input_tokens,
        "cached_input_tokens": summary.cached_tokens,
        "output_tokens": summary.output_tokens,
        "tokens_unknown_requests": summary.tokens_unknown,
        "errors": sum(summary.errors.values()),
        "duration_s": summary.duration_s,
        "requests_per_s": summary.requests_per_s,
        "latest_start_s": summary.latest_start_s,
        "interrupted": summary.interrupted,
    }
    for name, latency in _latencies(summary):
        row |= {
            f"{name}_p50_ms": latency.p50_ms if latency else None,
            f"{name}_p95_ms": latency.p95_ms if latency else None,
            f"{name}_p99_ms": latency.p99_ms if latency else None,
        }
    return row | {f"errors_{kind.replace(' ', '_')}": count for kind, count in summary.errors.items()}


def _print_summary(summary: Summary) -> None:
    click.echo(
        f"{summary.requests:,} requests in {summary.duration_s:,.1f} s ({summary.requests_per_s:,.1f} a second), "
        f"{summary.succeeded:,} succeeded{', stopped half-way' if summary.interrupted else ''}."
    )
    click.echo(
        f"{summary.input_tokens:,} input tokens ({summary.cached_tokens:,} of them cached), "
        f"{summary.output_tokens:,} output tokens{_unknown(summary.tokens_unknown)}."
    )
    spend = "Spend unknown" if summary.cost_usd is None else f"${summary.cost_usd} spent"
    click.echo(f"{spend}{_unknown(summary.cost_unknown)}.")
    for kind, count in summary.errors.items():
        click.echo(f"{count:,} × {kind}")
    rows: list[Row] = [
        {"latency": name.replace("_", " "), "p50_ms": one.p50_ms, "p95_ms": one.p95_ms, "p99_ms": one.p99_ms}
        for name, one in _latencies(summary)
        if one is not None
    ]
    if rows:
        click.echo()
        print_table(rows, columns=("latency", "p50_ms", "p95_ms", "p99_ms"))


def _latencies(summary: Summary) -> tuple[tuple[str, Percentiles | None], ...]:
    return (("added", summary.added), ("first_byte", summary.first_byte), ("total", summary.total))


def _unknown(count: int) -> str:
    return f" and an unknown amount for {count:,} more requests" if count else ""
