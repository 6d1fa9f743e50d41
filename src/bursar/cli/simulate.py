"""`bursar simulate`: run a simulated provider."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bursar.cli.options import config_option
from bursar.cli.output import notice
from bursar.simulator.serve import serve_simulator
from bursar.simulator.settings import SimulatorSettings

_DEFAULTS = SimulatorSettings()


def _rate(name: str, help_text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=click.FloatRange(0, 1), default=0.0, metavar="SHARE", help=help_text)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Listen here.")
@click.option("--port", type=click.IntRange(0, 65535), default=4101, show_default=True, metavar="N", help="0 = any.")
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, metavar="N", help="What is drawn by lot.")
@click.option(
    "--latency-scale",
    type=click.FloatRange(min=0),
    default=_DEFAULTS.latency_scale,
    show_default=True,
    metavar="FACTOR",
    help="Multiplies every wait; 0 answers at once.",
)
@_rate("error-rate", "Share of requests answered with a server error.")
@_rate("rate-limit-rate", "Share of requests answered with 429.")
@_rate("slow-first-byte-rate", "Share of answers that start late.")
@_rate("reset-rate", "Share of connections reset in the middle of the answer.")
@_rate("malformed-usage-rate", "Share of answers whose usage is nonsense.")
@_rate("missing-usage-rate", "Share of answers without usage.")
@click.option("--account-file", metavar="FILE", help="Append what was served, one JSON object a line.")
@config_option
def simulate(*, host: str, port: int, config_path: Path | None, **settings: Any) -> None:  # noqa: ARG001 - every command takes --config
    """Run a simulated provider that speaks the OpenAI, Anthropic, Gemini and Bedrock APIs.

    It keeps its own account of what it served: GET /_simulator/summary and /_simulator/account. One request can be
    steered with x-sim-* headers, such as x-sim-fault: reset-mid-stream.
    """
    serve_simulator(
        SimulatorSettings(**settings),
        host=host,
        port=port,
        announce=lambda bound: notice(f"Simulated provider listens on http://{host}:{bound}"),
    )
