"""One process's hold on the control state: opened, polled for changes, handed to whoever needs a part of it."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from bursar.clock import Clock
from bursar.config import Config
from bursar.control.cached import CachedKeys
from bursar.control.open import open_control
from bursar.control.state import ControlState
from bursar.control.values import Version
from bursar.errors import ConfigError, ControlUnavailable

log: Final = logging.getLogger("bursar.control")


class ControlLink:
    """The control state of one data folder, and this worker's memory of its keys."""

    def __init__(self, config: Config, data_dir: Path, clock: Clock) -> None:
        """Open it, making it if need be; raises ControlUnavailable."""
        self.state: Final[ControlState] = open_control(data_dir, clock)
        version = self.state.version()
        self.keys: Final = CachedKeys(self.state.keys, clock, grace_s=config.server.key_grace_s, version=version)
        self._rules = _rules_of(version)
        self._clock: Final = clock
        self._ends_us = self._next_end()

    async def poll(self) -> bool:
        """See what has changed: True when budgets have, or a top-up came or ended, so that a new snapshot is due.

        Meant to run twice a second on the event loop that asks for keys; the database is read in a thread.
        """
        try:
            version = await asyncio.to_thread(self.state.version)
            self._observe(version)
            is_due = self._rules != _rules_of(version) or self._has_ended()
            if is_due:
                self._ends_us = await asyncio.to_thread(self._next_end)
        except ControlUnavailable as failed:
            if self.keys.trouble is None:
                log.error("keys that were seen before stay valid for a while: %s", failed)  # noqa: TRY400 - no trace
            self.keys.fail(failed)
            return False
        self._rules = _rules_of(version)
        return is_due

    def check_names(self, config: Config) -> None:
        """Raise ConfigError when the file declares a key of a name that a key made at run time bears."""
        for key in config.keys:
            record = self.state.keys.get(key.name)
            if record is not None and record.deleted_us is None:
                raise ConfigError(
                    f"[[keys]] '{key.name}': a key of that name was made with `bursar keys create`, and their spend "
                    f"could not be told apart. Give this one another name, or `bursar keys delete {key.name}`"
                )

    def close(self) -> None:
        """Let go of it."""
        self.state.close()

    def _next_end(self) -> int | None:
        """When the next top-up ends, which changes the rules without anybody's doing; ``None`` = none does."""
        ends = [record.top_up.until_us for record in self.state.top_ups.active(self._clock.now_us())]
        return min((end_us for end_us in ends if end_us is not None), default=None)

    def _has_ended(self) -> bool:
        return self._ends_us is not None and self._clock.now_us() >= self._ends_us

    def _observe(self, version: Version) -> None:
        was_away = self.keys.trouble is not None
        self.keys.observe(version)
        if was_away:
            log.info("the control state can be read again")


def _rules_of(version: Version) -> tuple[int, str]:
    return (version.rules, version.store)
