"""Configuration reload without a restart: the file is watched, a valid change is swapped in, an invalid one is not.

A reload replaces the snapshot; calls in flight keep theirs. What only start-up can apply (address, data folder, ledger)
is named in the log and keeps its old value until a restart.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from msgspec import structs

from bursar.config import Config
from bursar.errors import BursarError
from bursar.gateway.state import Gateway, Snapshot
from bursar.wiring.build import build_snapshot
from bursar.wiring.control import ControlLink
from bursar.wiring.options import ServeOptions

log = logging.getLogger("bursar.reload")

POLL_S: Final = 0.5
"""How often the file and the control state are looked at."""

_AT_START: Final = (
    "server.host",
    "server.port",
    "server.workers",
    "server.data_dir",
    "server.key_grace_s",
    "ledger",
    "relay.proxy",
    "relay.ca_file",
)


class Reloader:
    """Watches one configuration, and its file if it has one, for one gateway."""

    def __init__(
        self,
        options: ServeOptions,
        gateway: Gateway,
        control: ControlLink,
        *,
        simulator_url: str | None,
        around: Callable[[Snapshot], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """``around`` is entered, in a thread, with each new snapshot while it comes into force."""
        self._options = options
        self._gateway = gateway
        self._control = control
        self._simulator_url = simulator_url
        self._around = around
        self._stamp = _stamp(options.config_path)
        self._poke = asyncio.Event()

    def poke(self) -> None:
        """Reload now (SIGHUP), whether or not the file has changed: prices and secrets may have."""
        self._poke.set()

    async def watch(self) -> None:
        """Reload whenever the file or the rules made at run time change, or somebody asks, until cancelled."""
        if await asyncio.to_thread(self._has_moved_on):
            await asyncio.to_thread(self.reload)
        while True:
            try:
                # Python 3.11's wait_for forgets a cancellation that comes with the timeout (bpo-37658).
                async with asyncio.timeout(POLL_S):
                    await self._poke.wait()
            except TimeoutError:
                pass
            is_asked = self._poke.is_set()
            self._poke.clear()
            is_ruled_anew = await self._control.poll()
            stamp = _stamp(self._options.config_path)
            if is_asked or is_ruled_anew or (stamp is not None and stamp != self._stamp):
                self._stamp = stamp
                await asyncio.to_thread(self.reload)

    def _has_moved_on(self) -> bool:
        """Whether the file is no longer what this process started with: it is read before anybody watches it."""
        self._stamp = _stamp(self._options.config_path)
        try:
            return self._options.read() != self._gateway.snapshot.config
        except BursarError:
            # Reloading says what is wrong.
            return True

    def reload(self) -> bool:
        """Read the configuration and swap the snapshot; on an error log it and keep the old one. True when swapped."""
        gateway, options = self._gateway, self._options
        try:
            config = options.read()
            snapshot = build_snapshot(
                config,
                data_dir=options.data_dir,
                environ=options.environ,
                clock=gateway.clock,
                simulator_url=self._simulator_url,
                control=self._control,
            )
        except BursarError as wrong:
            gateway.counts.failed_reloads += 1
            log.error("configuration not reloaded, the old one stays in force: %s", wrong)  # noqa: TRY400 - no trace
            return False
        for name in _changed_at_start(gateway.snapshot.config, config):
            log.warning("%s changed; it takes effect at the next start", name)
        with self._around(snapshot):
            gateway.renew(lambda old: _with_histories(snapshot, old))
        gateway.counts.reloads += 1
        log.info("configuration reloaded from %s (%s)", options.config_path or "built-in settings", snapshot.digest)
        return True


def _with_histories(snapshot: Snapshot, old: Snapshot) -> Snapshot:
    """A new snapshot that knows of agent runs what the old one knew."""
    return structs.replace(snapshot, rules=snapshot.rules.with_velocities(old.rules.velocities))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _changed_at_start(old: Config, new: Config) -> list[str]:
    return [name for name in _AT_START if _setting(old, name) != _setting(new, name)]


def _setting(config: Config, name: str) -> object:
    value: object = config
    for part in name.split("."):
        value = getattr(value, part)
    return value
