"""Randomness follows from the seed, and only from it."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.chance import Chance

seeds = st.integers(-(2**70), 2**70)


@given(seeds, st.binary())
def test_reproducible(seed: int, word: bytes):
    """The same seed and words give the same stream."""
    assert [Chance(seed, word).bits() for _ in range(3)] == [Chance(seed, word).bits() for _ in range(3)]


@given(seeds, st.binary(min_size=1), st.binary())
def test_words_do_not_run_together(seed: int, one: bytes, other: bytes):
    """Where one word ends and the next begins matters."""
    assert Chance(seed, one, other).bits() != Chance(seed, one + other).bits()


@given(seeds)
def test_ranges(seed: int):
    """Numbers stay within their ranges."""
    chance = Chance(seed)

    assert all(0 <= chance.unit() < 1 for _ in range(20))
    assert all(0 <= chance.below(7) < 7 for _ in range(20))
    assert all(chance.log_normal(10, 0.5) > 0 for _ in range(20))


def test_median():
    """Half of the log-normal numbers lie below the median."""
    chance = Chance(1)
    below = sum(chance.log_normal(100, 0.8) < 100 for _ in range(4000))

    assert 1850 < below < 2150
