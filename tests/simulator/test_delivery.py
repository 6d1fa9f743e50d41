"""Answers leave at a plausible pace, or at the one that was asked for."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.chance import Chance
from bursar.simulator.delivery import Pace, pace_of
from bursar.simulator.faults import Fault
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.steering import Steering


@given(st.integers())
def test_no_latency(seed: int):
    """A scale of zero waits for nothing."""
    assert pace_of(SimulatorSettings(latency_scale=0), Steering(), Chance(seed), None) == Pace(0.0, 0.0)


@given(st.integers(), st.floats(0.1, 10))
def test_scale(seed: int, scale: float):
    """The scale stretches both waits."""
    plain = pace_of(SimulatorSettings(), Steering(), Chance(seed), None)
    scaled = pace_of(SimulatorSettings(latency_scale=scale), Steering(), Chance(seed), None)

    assert abs(scaled.first_byte_s - plain.first_byte_s * scale) < 1e-9
    assert abs(scaled.token_s - plain.token_s * scale) < 1e-9


def test_asked_for():
    """A latency asked for is kept to the letter, with the fault's on top."""
    settings = SimulatorSettings(slow_first_byte_ms=2000)
    steering = Steering(latency_ms=40)

    assert pace_of(settings, steering, Chance(1), None) == Pace(0.04, 0.0)
    assert pace_of(settings, steering, Chance(1), Fault.SLOW_FIRST_BYTE) == Pace(2.04, 0.0)


def test_spread():
    """Times to the first token scatter around their median."""
    settings = SimulatorSettings(first_token_ms=300, first_token_sigma=0.5)
    first = [pace_of(settings, Steering(), Chance(seed), None).first_byte_s for seed in range(2000)]

    assert 850 < sum(one < 0.3 for one in first) < 1150
    assert max(first) > 2 * min(first)
