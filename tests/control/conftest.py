"""An empty control state."""

import pytest

from bursar.control.open import open_control
from support.ledger_records import FixedClock


@pytest.fixture
def state(tmp_path):
    """A control state in a folder of its own."""
    control = open_control(tmp_path, FixedClock())
    yield control
    control.close()
