"""Ids and clocks."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from bursar.clock import SystemClock, uuid7


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_is_a_uuid(unix_ms, entropy):
    """Ids are valid UUIDs of version 7 and carry their time."""
    value = uuid.UUID(uuid7(unix_ms, entropy))

    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert unix_ms == value.int >> 80


@given(st.lists(st.integers(0, 2**48 - 1), unique=True), st.binary(min_size=10, max_size=10))
def test_uuid7_sorts_by_time(times, entropy):
    """Later ids sort after earlier ones."""
    assert [uuid7(ms, entropy) for ms in sorted(times)] == sorted(uuid7(ms, entropy) for ms in times)


def test_system_clock_ids_are_unique():
    """Fresh ids do not repeat."""
    clock = SystemClock()

    assert len({clock.new_id() for _ in range(1000)}) == 1000


def test_system_clock_ids_in_threads():
    """Threads that share a clock never get the same random bytes."""
    clock = SystemClock()
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda _: clock.new_id(), range(2000)))

    assert 2000 == len({one[14:] for one in ids})
