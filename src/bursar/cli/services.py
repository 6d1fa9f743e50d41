"""What commands ask of the composition root. The command line knows neither the environment nor how parts are built.

Parts are imported for their types alone, since most commands need few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bursar.catalog.snapshot import Catalog
    from bursar.clock import Clock
    from bursar.config import Config
    from bursar.control.state import ControlState
    from bursar.events import Corrected
    from bursar.gateway.question import CheckQuestion
    from bursar.ledger.client import LedgerClient
    from bursar.simulator.settings import SimulatorSettings


class Services(Protocol):
    """Everything a command can have."""

    clock: Clock

    def config(self, path: Path | None) -> tuple[Config, Path]:
        """The configuration and its data folder; raises ConfigError."""
        ...

    def secret(self, reference: str, *, what: str) -> str:
        """The value of an ``env:NAME`` or ``file:PATH``; raises ConfigError naming ``what`` it is for."""
        ...

    def serve(
        self,
        path: Path | None,
        *,
        host: str | None,
        port: int | None,
        data_dir: str | None,
        workers: int | None,
        simulator: SimulatorSettings,
    ) -> None:
        """Run the gateway until it is told to stop."""
        ...

    def ledger(self, path: Path | None) -> AbstractContextManager[LedgerClient]:
        """Open the ledger of a configuration."""
        ...

    def catalog(self, path: Path | None) -> Catalog:
        """The price catalog of a configuration."""
        ...

    def recorder(self, path: Path | None) -> AbstractContextManager[Callable[[Corrected], None]]:
        """Append corrections to the ledger for as long as the context lasts."""
        ...

    def control(self, path: Path | None) -> AbstractContextManager[ControlState]:
        """Open the control state of a configuration; raises ControlUnavailable."""
        ...

    def check(self, path: Path | None, asked: CheckQuestion) -> tuple[dict[str, Any], bool]:
        """What would become of a request, and whether the running gateway said so; raises BursarErrors."""
        ...

    def doctor(self, path: Path | None) -> list[dict[str, str]]:
        """Findings about a configuration and its data: ``check``, ``state`` (ok, warn, fail) and ``detail``."""
        ...

    def actor(self) -> str:
        """Who runs the command, for the audit log."""
        ...
