"""Reloading a configuration while the gateway runs."""

import asyncio
import logging
import os

import pytest
import uvloop
from msgspec import structs

from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.gateway.state import Gateway
from bursar.upstream import ClientSettings, UpstreamClient
from bursar.wiring import reload
from bursar.wiring.control import ControlLink
from bursar.wiring.environment import Overrides
from bursar.wiring.options import ServeOptions
from bursar.wiring.reload import Reloader
from support.gateway import MemoryRecorder
from support.ledger_records import FixedClock
from support.snapshots import provider, snapshot_of

OPENAI = provider("openai", api_key="env:K")
MORE = OPENAI + provider("groq", api_key="env:K")
ENVIRON = {"K": "sk"}


class Running:
    """A gateway's state and what reloads it, over one configuration file."""

    def __init__(self, folder, loop, *, port=None):
        self.path = folder / "bursar.toml"
        self.path.write_text(OPENAI)
        self.clock = FixedClock()

        options = self.options = ServeOptions(
            path=self.path,
            config_path=self.path,
            data_dir=folder / "data",
            environ=ENVIRON,
            overrides=Overrides(port=port),
        )
        self.gateway = Gateway(
            worker="w1-test",
            snapshot=snapshot_of(OPENAI, folder / "data", environ=ENVIRON),
            recorder=MemoryRecorder(),
            client=UpstreamClient(loop, ClientSettings()),
            counters=MemoryCounters(MemoryBook(lease_us=1_000_000), "w1-test"),
            clock=self.clock,
            loop=loop,
        )
        if port is not None:
            self.gateway.snapshot = self.snapshot_with(options.read())
        self.control = ControlLink(self.gateway.snapshot.config, folder / "data", self.clock)
        self.reloader = Reloader(options, self.gateway, self.control, simulator_url=None)

    def snapshot_with(self, config):
        """The present snapshot with another configuration."""
        return type(self.gateway.snapshot)(
            **{name: getattr(self.gateway.snapshot, name) for name in self.gateway.snapshot.__struct_fields__}
            | {"config": config}
        )

    @property
    def providers(self) -> set[str]:
        """Names of the providers in force."""
        return set(self.gateway.snapshot.routes.named)


@pytest.fixture
def loop():
    """An event loop."""
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def running(tmp_path, loop, caplog, monkeypatch):
    """A gateway on one provider, whose file is looked at more often than usual."""
    monkeypatch.setattr(reload, "POLL_S", 0.01)
    caplog.set_level(logging.INFO, logger="bursar.reload")
    running = Running(tmp_path, loop)
    yield running
    running.control.close()


def test_swap(running, caplog):
    """A valid change is swapped in whole; who holds the old snapshot keeps it."""
    old = running.gateway.snapshot
    running.path.write_text(MORE)

    assert running.reloader.reload()
    assert {"openai", "groq"} == running.providers
    assert {"openai"} == set(old.routes.named)
    assert (1, 0) == (running.gateway.counts.reloads, running.gateway.counts.failed_reloads)
    assert f"configuration reloaded from {running.path}" in caplog.text


def test_histories_are_kept(running):
    """A new snapshot knows of agent runs what the old one knew."""
    running.gateway.renew(lambda old: structs.replace(old, rules=old.rules.with_velocities({"review": 7})))
    running.path.write_text(MORE)
    running.reloader.reload()

    assert ({"review": 7}, {"openai", "groq"}) == (running.gateway.snapshot.rules.velocities, running.providers)


@pytest.mark.parametrize("text", ["[server", "[servr]\n", provider("openai", api_key="env:NONE"), "\xff"])
def test_invalid_keeps_the_old(running, text, caplog):
    """An invalid file changes nothing, is counted, and is explained in one line."""
    old = running.gateway.snapshot
    running.path.write_text(text, encoding="latin-1")

    assert not running.reloader.reload()
    assert running.gateway.snapshot is old
    assert (0, 1) == (running.gateway.counts.reloads, running.gateway.counts.failed_reloads)
    (said,) = caplog.messages
    assert said.startswith("configuration not reloaded, the old one stays in force: ")


def test_missing_file_keeps_the_old(running):
    """So does a file that has gone."""
    running.path.unlink()

    assert not running.reloader.reload()
    assert {"openai"} == running.providers


def test_settings_of_the_start(running, caplog):
    """What only a start can apply is named."""
    running.path.write_text(f"[server]\nport = 9\n[ledger]\nflush_s = 9\n{OPENAI}")
    running.reloader.reload()

    assert ["server.port changed", "ledger changed"] == [
        message.partition(";")[0] for message in caplog.messages if "takes effect" in message
    ]


def test_command_line_stays_on_top(tmp_path, loop, caplog):
    """Settings of the command line are no changes of the file."""
    running = Running(tmp_path, loop, port=5)
    running.path.write_text(MORE)
    running.reloader.reload()

    assert 5 == running.gateway.snapshot.config.server.port
    assert "takes effect" not in caplog.text


def watched(running, loop, change) -> None:
    """Watch until a change has led to a reload or an attempt at one."""
    counts = running.gateway.counts

    async def watch():
        task = loop.create_task(running.reloader.watch())
        change()
        for _ in range(2_000):
            if counts.reloads + counts.failed_reloads:
                break
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(watch())


def test_file_is_watched(running, loop):
    """A changed file is noticed."""
    watched(running, loop, lambda: running.path.write_text(MORE))

    assert {"openai", "groq"} == running.providers


def test_replaced_file_is_noticed(running, loop, tmp_path):
    """So is one that was renamed over the old, as editors and Kubernetes do, with the same size and time."""
    other = tmp_path / "new.toml"
    other.write_text(OPENAI.replace("env:K", "env:L"))
    status = running.path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    watched(running, loop, lambda: other.replace(running.path))

    assert running.gateway.counts.failed_reloads >= 1


def test_file_that_changed_before_it_was_watched(running, loop):
    """A change between reading the file at the start and watching it is not missed."""
    running.path.write_text(MORE)
    running.reloader = Reloader(running.options, running.gateway, running.control, simulator_url=None)
    watched(running, loop, lambda: None)

    assert {"openai", "groq"} == running.providers


def test_asked_for(running, loop):
    """A signal reloads a file that has not changed, because prices and secrets may have."""
    watched(running, loop, running.reloader.poke)

    assert running.gateway.counts.reloads == 1
