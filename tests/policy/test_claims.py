"""What rolling windows are made of."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.policy.claims import ROLLING_BUCKETS, bucket_us, free_at


@given(st.integers(1, 10**13))
def test_parts_cover_the_window(span_us):
    """Sixty parts are at least as long as their window, and no part is longer than needed."""
    assert ROLLING_BUCKETS * bucket_us(span_us) >= span_us > ROLLING_BUCKETS * (bucket_us(span_us) - 1)


@given(
    st.dictionaries(st.integers(0, 100), st.integers(0, 50), max_size=10), st.integers(1, 200), st.integers(60, 6000)
)
def test_free_at(buckets, excess, span_us):
    """It is the first instant at which enough has left the window; none where all of it would not be enough."""
    part = bucket_us(span_us)

    def gone(at_us):
        return sum(amount for number, amount in buckets.items() if number < (at_us - span_us) // part)

    free_us = free_at(tuple(buckets.items()), span_us=span_us, excess=excess)

    if free_us is None:
        assert sum(buckets.values()) < excess
    else:
        assert gone(free_us) >= excess > gone(free_us - 1)
