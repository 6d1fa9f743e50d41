"""Counters in memory."""

import pytest
from hypothesis import settings

from bursar.counters.memory import MemoryBook, MemoryCounters
from support.counters_contract import LEASE, CountersContract
from support.counters_machine import machine_of


class MemoryStore:
    """One book."""

    def __init__(self):
        self._book = MemoryBook(lease_us=LEASE)

    def worker(self, name="w1"):
        return MemoryCounters(self._book, name)

    def close(self):
        """There is nothing to let go of."""


@pytest.fixture
def fresh():
    return MemoryStore


class TestMemoryCounters(CountersContract):
    """Counters of one process pass the contract, for several holders of one book too."""


TestMemoryMachine = machine_of(MemoryStore).TestCase
TestMemoryMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
