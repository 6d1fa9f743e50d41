"""Alerts over real counters and a real control state."""

import pytest

from support.alerting import Desk
from support.ledger_records import FixedClock


@pytest.fixture
def clock():
    """A clock that stands at the first instant of November 2026."""
    return FixedClock()


@pytest.fixture
def desk(tmp_path, clock):
    """Make desks that share one control state."""
    made = []

    def make(**settings):
        made.append(Desk(tmp_path, clock, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
