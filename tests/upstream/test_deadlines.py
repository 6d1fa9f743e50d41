"""Deadlines: every one that passes is found, with one timer for all, on a clock that the test turns."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.upstream.deadlines import Deadlines


class Timer:
    """A call that the loop is to make."""

    def __init__(self, at, callback):
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self):
        self.is_cancelled = True


class Loop:
    """The part of an event loop that deadlines need, on a clock of its own."""

    def __init__(self):
        self.now = 0.0
        self.timers = []
        self.set_count = 0

    def time(self):
        return self.now

    def call_at(self, at, callback):
        self.set_count += 1
        timer = Timer(at, callback)
        self.timers.append(timer)
        return timer

    def call_soon(self, callback):
        callback()

    def advance(self, to):
        while due := [timer for timer in self.timers if not timer.is_cancelled and timer.at <= to]:
            timer = min(due, key=lambda one: one.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.callback()
        self.now = to


class Item:
    """Something that notes when it ran out of time."""

    def __init__(self, loop, deadline):
        self.loop, self.deadline, self.fired_at = loop, deadline, None

    def on_deadline(self):
        self.fired_at = self.loop.now
        self.deadline = inf


@pytest.fixture(name="loop")
def _loop():
    return Loop()


@given(st.lists(st.floats(0, 100), max_size=20))
def test_every_deadline_is_found(moments):
    """Each item fires once its deadline has passed, and no more than 25 ms later than it could have."""
    loop = Loop()
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
    loop.advance(6)

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
    for tick in range(10_000):
        loop.advance(tick / 100)
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
