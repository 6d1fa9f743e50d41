# ruff: noqa: PLC0415 - each service imports its own parts when it is asked for
"""The `bursar` command: builds what commands need from the environment, then hands over to the command line.

A command starts with no more than it uses: all parts together take a second to import.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bursar.cli.main import run
from bursar.clock import Clock, SystemClock

if TYPE_CHECKING:
    from bursar.catalog.snapshot import Catalog
    from bursar.config import Config
    from bursar.control.state import ControlState
    from bursar.events import Corrected
    from bursar.gateway.question import CheckQuestion
    from bursar.ledger.client import LedgerClient
    from bursar.simulator.settings import SimulatorSettings


class SystemServices:
    """`bursar.cli.services.Services` on the real environment."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()

    def config(self, path: Path | None) -> tuple["Config", Path]:
        """The configuration and its data folder."""
        from bursar.wiring.environment import data_dir, os_environ, read_config

        config, source = read_config(path, os_environ())
        return config, data_dir(config, source)

    def secret(self, reference: str, *, what: str) -> str:
        """The value of a secret that is written as ``env:NAME`` or ``file:PATH``."""
        from bursar.wiring.environment import os_environ, secret

        return secret(reference, os_environ(), what=what).decode()

    def serve(
        self,
        path: Path | None,
        *,
        host: str | None,
        port: int | None,
        data_dir: str | None,
        workers: int | None,
        simulator: "SimulatorSettings",
    ) -> None:
        """Run the gateway until it is told to stop."""
        import logging

        from bursar.wiring import environment
        from bursar.wiring.options import ServeOptions
        from bursar.wiring.serve import serve

        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        environ = environment.os_environ()
        config, source = environment.read_config(path, environ)
        folder = Path(data_dir).resolve() if data_dir is not None else environment.data_dir(config, source)
        serve(
            ServeOptions(
                path=path,
                config_path=source,
                data_dir=folder,
                environ=environ,
                overrides=environment.Overrides(host=host, port=port, data_dir=data_dir, workers=workers),
                simulator=simulator,
            )
        )

    @contextmanager
    def ledger(self, path: Path | None) -> Iterator["LedgerClient"]:
        """The ledger: through its process while one runs, else opened here."""
        from bursar.ledger.client import connect

        config, folder = self.config(path)
        with closing(connect(folder, config.ledger, clock=self.clock)) as ledger:
            yield ledger

    def catalog(self, path: Path | None) -> "Catalog":
        """The price catalog in force now."""
        from bursar.catalog.load import load_catalog

        config, folder = self.config(path)
        return load_catalog(config, folder, now_us=self.clock.now_us())

    @contextmanager
    def recorder(self, path: Path | None) -> Iterator[Callable[["Corrected"], None]]:
        """Append corrections through a spool of this process's own."""
        from bursar.ledger.layout import Layout
        from bursar.ledger.spool import Spool

        config, folder = self.config(path)
        with Spool(Layout(folder).spool, "cli", max_bytes=config.ledger.spool_bytes) as spool:
            yield spool.append

    @contextmanager
    def control(self, path: Path | None) -> Iterator["ControlState"]:
        """The control state of a configuration's data folder."""
        from bursar.control.open import open_control

        _, folder = self.config(path)
        with closing(open_control(folder, self.clock)) as control:
            yield control

    def check(self, path: Path | None, asked: "CheckQuestion") -> tuple[dict[str, Any], bool]:
        """What would become of a request."""
        from bursar.wiring.checking import check
        from bursar.wiring.environment import os_environ

        config, folder = self.config(path)
        return check(asked, config, folder, environ=os_environ(), clock=self.clock)

    def doctor(self, path: Path | None) -> list[dict[str, str]]:
        """What is well with a configuration and its data, and what is not."""
        from msgspec.structs import asdict

        from bursar.wiring.doctor.examine import examine
        from bursar.wiring.environment import os_environ

        return [asdict(finding) for finding in examine(path, os_environ(), self.clock)]

    def actor(self) -> str:
        """The operating system's user."""
        import os
        import pwd

        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = f"uid {os.getuid()}"
        return f"{name} (command line)"


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(SystemServices()))


if __name__ == "__main__":
    main()
