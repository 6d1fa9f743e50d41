"""Faults come when asked for, or as often as the settings say."""

import pytest

from bursar.simulator.chance import Chance
from bursar.simulator.faults import Fault, choose_fault, usage_on_wire
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.steering import BadSteering, Steering, steering_of


@pytest.mark.parametrize("fault", list(Fault))
def test_asked_for(fault: Fault):
    """A header names the fault."""
    assert choose_fault(SimulatorSettings(), Steering(fault=fault.value), Chance(0)) is fault


def test_rates():
    """Each fault comes about as often as its rate, and the seed decides when."""
    settings = SimulatorSettings(error_rate=0.1, rate_limit_rate=0.2, reset_rate=0.3)
    found = [choose_fault(settings, Steering(), Chance(1, bytes([n % 256, n // 256]))) for n in range(2000)]

    assert found.count(Fault.ERROR_500) == pytest.approx(200, abs=50)
    assert found.count(Fault.RATE_LIMIT) == pytest.approx(400, abs=70)
    assert found.count(Fault.RESET_MID_STREAM) == pytest.approx(600, abs=80)
    assert found.count(None) == pytest.approx(800, abs=90)


def test_wire_usage():
    """Usage is left alone, garbled or left out."""
    usage = {"input_tokens": 1}

    assert [usage_on_wire(usage, fault) for fault in (None, Fault.MALFORMED_USAGE, Fault.MISSING_USAGE)] == [
        usage,
        {"foo": 0, "bar": "many"},
        None,
    ]


@pytest.mark.parametrize("value", ["-1", "1.5", "x", ""])
def test_bad_steering(value: str):
    """A header that is no whole number is refused by name."""
    with pytest.raises(BadSteering, match="x-sim-output-tokens"):
        steering_of({"x-sim-output-tokens": value})


def test_unknown_fault():
    """An unknown fault is refused with the list of known ones."""
    with pytest.raises(BadSteering, match=r"use one of .*ratelimit"):
        choose_fault(SimulatorSettings(), Steering(fault="gremlins"), Chance(0))
