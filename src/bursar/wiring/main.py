"""The `bursar` command: builds what commands need from the environment, then hands over to the command line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bursar.catalog.load import load_catalog
from bursar.catalog.snapshot import Catalog
from bursar.cli.main import run
from bursar.clock import Clock, SystemClock
from bursar.config import Config
from bursar.events import Corrected
from bursar.ledger.client import LedgerClient, connect
from bursar.ledger.layout import Layout
from bursar.ledger.spool import Spool
from bursar.simulator.settings import SimulatorSettings
from bursar.wiring.environment import data_dir, os_environ, read_config, with_overrides
from bursar.wiring.serve import ServeOptions, serve


class SystemServices:
    """`bursar.cli.services.Services` on the real environment."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()

    def config(self, path: Path | None) -> tuple[Config, Path]:
        """The configuration and its data folder."""
        config, source = read_config(path, os_environ())
        return config, data_dir(config, source)

    def serve(
        self,
        path: Path | None,
        *,
        host: str | None,
        port: int | None,
        data_dir: str | None,
        simulator: SimulatorSettings,
    ) -> None:
        """Run the gateway until it is told to stop."""
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        config, source = read_config(path, os_environ())
        config = with_overrides(config, host=host, port=port, data=data_dir)
        serve(
            ServeOptions(
                config=config,
                config_path=source,
                data_dir=_data_dir(config, source, data_dir),
                environ=os_environ(),
                simulator=simulator,
            )
        )

    @contextmanager
    def ledger(self, path: Path | None) -> Iterator[LedgerClient]:
        """The ledger: through its process while one runs, else opened here."""
        config, folder = self.config(path)
        with closing(connect(folder, config.ledger, clock=self.clock)) as ledger:
            yield ledger

    def catalog(self, path: Path | None) -> Catalog:
        """The price catalog in force now."""
        config, folder = self.config(path)
        return load_catalog(config, folder, now_us=self.clock.now_us())

    def record(self, path: Path | None, corrections: list[Corrected]) -> None:
        """Append corrections through a spool of this process's own."""
        config, folder = self.config(path)
        with Spool(Layout(folder).spool, "cli", max_bytes=config.ledger.spool_bytes) as spool:
            for one in corrections:
                spool.append(one)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(SystemServices()))


def _data_dir(config: Config, source: Path | None, given: str | None) -> Path:
    return Path(given).resolve() if given is not None else data_dir(config, source)


if __name__ == "__main__":
    main()
