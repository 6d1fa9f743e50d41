"""Alerts about stores that are away."""

import asyncio

import pytest

from bursar.errors import ControlUnavailable
from bursar.notify.stores import PATIENCE_US, Stores

S = 1_000_000


class Watched:
    """Stores that fail when told to, and the watch on them."""

    def __init__(self, desk, clock) -> None:
        self.desk, self.clock = desk, clock
        self.away: dict[str, str] = {}
        self.told: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Another process watches."""
        self.stores = Stores(
            {name: lambda name=name: self.away.get(name) for name in ("counters", "control state")},
            self.desk.control.alerts,
            self.clock,
            audience=lambda _kind: ("ops",),
            tell=self.tell,
        )

    async def tell(self, one) -> None:
        """Take what cannot be recorded."""
        self.told.append(one.alert.message)

    def look(self, *, after_us: int = 0) -> None:
        """Look once, after some time."""
        self.clock.us += after_us
        asyncio.run(self.stores.look())

    def deliveries(self) -> list[tuple[str, str]]:
        """What the outbox has: alert's subject and event."""
        found = []
        for record in self.desk.raised():
            found += [(record.alert.subject, one.event) for one in self.desk.control.outbox.about([record.id])]
        return found


@pytest.fixture
def watched(desk, clock):
    """A watch on stores."""
    return Watched(desk(), clock)


def test_trouble_that_lasts(watched):
    """Trouble is told of when it lasts, once, and so is its end."""
    watched.away["counters"] = "redis does not answer"
    watched.look()
    watched.look(after_us=PATIENCE_US - 1)
    before = watched.desk.raised()
    watched.look(after_us=1)
    watched.look(after_us=60 * S)
    (told,) = watched.desk.raised()
    del watched.away["counters"]
    watched.look(after_us=S)
    watched.look(after_us=S)

    assert [] == before
    assert (
        "The counters cannot be reached since 2026-11-01T00:00:00.000Z: redis does not answer"
    ) == told.alert.message
    assert [("counters", "raised"), ("counters", "resolved")] == watched.deliveries()
    assert [] == watched.told


def test_trouble_that_passes(watched):
    """Trouble that is over soon is not told of, and the next one is counted from its own beginning."""
    for _ in range(3):
        watched.away["counters"] = "a restart"
        watched.look()
        watched.look(after_us=PATIENCE_US - 1)
        watched.away.clear()
        watched.look(after_us=1)

    assert [] == watched.desk.raised()


def test_trouble_again(watched):
    """Another trouble is another alert."""
    for _ in range(2):
        watched.away["counters"] = "again"
        watched.look()
        watched.look(after_us=PATIENCE_US)
        watched.away.clear()
        watched.look(after_us=S)

    assert [("counters", "raised"), ("counters", "resolved")] * 2 == watched.deliveries()


def test_restart(watched):
    """A process that is started in the middle of it goes on with the same alert, and resolves it."""
    watched.away["counters"] = "redis does not answer"
    watched.look()
    watched.look(after_us=PATIENCE_US)
    watched.restart()
    watched.look(after_us=60 * S)
    watched.restart()
    watched.away.clear()
    watched.look(after_us=S)

    assert [("counters", "raised"), ("counters", "resolved")] == watched.deliveries()


def test_control_state(watched, monkeypatch):
    """While the alert itself cannot be kept it is told once, directly, and recorded and resolved when it can."""
    table = type(watched.desk.control.alerts)
    raise_once = table.raise_once

    def away(*_, **__):
        raise ControlUnavailable("the disk is full")

    monkeypatch.setattr(table, "raise_once", away)
    watched.away["control state"] = "the disk is full"
    watched.look()
    watched.look(after_us=PATIENCE_US)
    watched.look(after_us=S)
    told = list(watched.told)
    watched.away.clear()
    watched.look(after_us=S)
    in_between = watched.desk.raised()
    monkeypatch.setattr(table, "raise_once", raise_once)
    watched.look(after_us=S)
    watched.look(after_us=S)

    assert 1 == len(told) == len(watched.told)
    assert "The control state cannot be reached" in told[0]
    assert [] == in_between
    assert [("control state", "raised"), ("control state", "resolved")] == watched.deliveries()
