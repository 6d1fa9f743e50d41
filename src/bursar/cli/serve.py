"""`bursar serve`: run the gateway, its ledger and the console."""

from pathlib import Path

import click

from bursar.cli.options import config_option
from bursar.cli.services import Services
from bursar.simulator.settings import SimulatorSettings


@click.command()
@click.option("--host", metavar="ADDRESS", help="Listen here instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Listen here instead of server.port; 0 = any.")
@click.option("--data-dir", metavar="FOLDER", help="Keep data here instead of server.data_dir.")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Gateway processes instead of server.workers.")
@click.option("--seed", type=int, default=0, metavar="N", help="Seed of the simulated providers, if any.")
@config_option
@click.pass_obj
def serve(
    services: Services,
    *,
    host: str | None,
    port: int | None,
    data_dir: str | None,
    workers: int | None,
    seed: int,
    config_path: Path | None,
) -> None:
    """Run the gateway, its ledger and the console until Ctrl-C.

    Without a configuration file it listens on http://127.0.0.1:4100 and answers with real providers where
    OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY is set, and with simulated ones elsewhere.
    """
    services.serve(
        config_path,
        host=host,
        port=port,
        data_dir=data_dir,
        workers=workers,
        simulator=SimulatorSettings(seed=seed),
    )
