"""Fixtures for tests against a running simulator."""

from collections.abc import Iterator

import pytest

from support.simulator import RunningSimulator, simulator


@pytest.fixture
def provider() -> Iterator[RunningSimulator]:
    """A healthy simulated provider without latency."""
    with simulator() as running:
        yield running
