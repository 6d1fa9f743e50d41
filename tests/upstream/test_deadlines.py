"""Deadlines: every one that passes is found, with one timer for all, on a clock that the test turns."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.upstream.deadlines import Deadlines
from support.clockwork import ClockworkLoop


class Item:
    """Something that notes when it ran out of time."""

    def __init__(self, loop, deadline):
        self.loop, self.deadline, self.fired_at = loop, deadline, None

    def on_deadline(self):
        self.fired_at = self.loop.now
        self.deadline = inf


@pytest.fixture(name="loop")
def _loop():
    return ClockworkLoop()


@given(st.lists(st.floats(0, 100), max_size=20))
def test_every_deadline_is_found(moments):
    """Each item fires once its deadline has passed, and no more than 25 ms later than it could have."""
    loop = ClockworkLoop()
    deadlines = Deadlines(loop)
    items = [Item(loop, moment) for moment in moments]
    for item in items:
        deadlines.watch(item)
    loop.advance(101)

    for item, moment in zip(items, moments, strict=True):
        assert moment <= item.fired_at <= moment + 0.0251


def test_later_deadline(loop):
    """A deadline that moves later needs no word and does not fire early."""
    deadlines = Deadlines(loop)
    item = Item(loop, 1.0)
    deadlines.watch(item)
    item.deadline = 5.0
    loop.advance(4.9)
    early = item.fired_at
    loop.advance(1)

    assert (early, item.fired_at) == (None, 5.0)


def test_sooner_deadline(loop):
    """One that moves before the next look is found in time when announced."""
    deadlines = Deadlines(loop)
    item = Item(loop, 100.0)
    deadlines.watch(item)
    item.deadline = 2.0
    deadlines.hasten(2.0)
    loop.advance(3)

    assert item.fired_at == 2.0


def test_timers_of_a_long_stream(loop):
    """Moving a deadline ten thousand times costs no more timers than time itself."""
    deadlines = Deadlines(loop)
    item = Item(loop, 10.0)
    deadlines.watch(item)
    for _ in range(10_000):
        loop.advance(0.01)
        item.deadline = loop.now + 10
        deadlines.hasten(item.deadline)

    assert loop.set_count <= 11


@pytest.mark.parametrize("stop", ["forget", "close"])
def test_stopped(loop, stop):
    """What is no longer watched does not fire."""
    deadlines = Deadlines(loop)
    item = Item(loop, 1.0)
    deadlines.watch(item)
    if stop == "forget":
        deadlines.forget(item)
    else:
        deadlines.close()
    loop.advance(2)

    assert item.fired_at is None
