"""What `bursar serve` was told: one value for the process that serves alone, for the supervisor and for its workers."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bursar.config import Config
from bursar.simulator.settings import SimulatorSettings
from bursar.wiring.environment import Overrides, read_config, with_overrides


class ServeOptions(Struct, frozen=True, kw_only=True):
    """What the command line decides."""

    path: Path | None
    """The configuration file that was named."""
    config_path: Path | None
    """The file that is read and watched; ``None`` for the built-in configuration."""
    data_dir: Path
    """The data folder, resolved."""
    environ: Mapping[str, str]
    overrides: Overrides = Overrides()
    simulator: SimulatorSettings = SimulatorSettings()
    is_quiet: bool = False

    def read(self) -> Config:
        """The configuration as it is now, the command line's settings on top; raises ConfigError."""
        return with_overrides(read_config(self.path, self.environ)[0], self.overrides)
