"""What goes wrong on purpose: asked for by a header, or drawn by lot from the settings' rates."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from bursar.simulator.chance import Chance
from bursar.simulator.settings import SimulatorSettings
from bursar.simulator.steering import BadSteering, Steering


class Fault(StrEnum):
    """A way to misbehave; the value is what `x-sim-fault` says."""

    ERROR_500 = "error500"
    """A server error before anything is generated; not billed."""
    RATE_LIMIT = "ratelimit"
    """429 with `retry-after`; not billed."""
    OVERLOADED = "overloaded"
    """The dialect's "overloaded" answer (Anthropic 529, others 503); not billed."""
    UNAUTHORIZED = "unauthorized"
    """The dialect's answer to a bad credential; not billed."""
    SLOW_FIRST_BYTE = "slow-first-byte"
    """The answer starts late."""
    RESET_BEFORE_HEAD = "reset-before-head"
    """The connection is reset once the request was read; the prompt is billed."""
    RESET_MID_STREAM = "reset-mid-stream"
    """The connection is reset half-way through the answer; what was generated is billed."""
    TRUNCATE = "truncate"
    """HTTP ends properly but the answer is cut half-way."""
    ERROR_IN_STREAM = "error-in-stream"
    """The dialect's error event half-way through a stream; a whole answer becomes a server error."""
    MALFORMED_USAGE = "malformed-usage"
    """The usage object has names and values no one knows; the usage is billed all the same."""
    MISSING_USAGE = "missing-usage"
    """No usage object; the usage is billed all the same."""


REFUSING: Final = frozenset({Fault.ERROR_500, Fault.RATE_LIMIT, Fault.OVERLOADED, Fault.UNAUTHORIZED})
"""Faults that answer with an error and generate nothing."""

BREAKING: Final = frozenset({Fault.RESET_MID_STREAM, Fault.TRUNCATE, Fault.ERROR_IN_STREAM})
"""Faults that break an answer off half-way."""

_NONSENSE: Final[Mapping[str, Any]] = {"foo": 0, "bar": "many"}


def choose_fault(settings: SimulatorSettings, steering: Steering, chance: Chance) -> Fault | None:
    """The fault of one request: the one asked for, or at most one by lot. Raises BadSteering for an unknown name."""
    if steering.fault is not None:
        try:
            return Fault(steering.fault)
        except ValueError:
            raise BadSteering(
                f"x-sim-fault {steering.fault!r} is unknown; use one of {', '.join(sorted(Fault))}"
            ) from None
    drawn = chance.unit()
    for fault, rate in (
        (Fault.ERROR_500, settings.error_rate),
        (Fault.RATE_LIMIT, settings.rate_limit_rate),
        (Fault.SLOW_FIRST_BYTE, settings.slow_first_byte_rate),
        (Fault.RESET_MID_STREAM, settings.reset_rate),
        (Fault.MALFORMED_USAGE, settings.malformed_usage_rate),
        (Fault.MISSING_USAGE, settings.missing_usage_rate),
    ):
        if drawn < rate:
            return fault
        drawn -= rate
    return None


def usage_on_wire(usage: Mapping[str, Any], fault: Fault | None) -> Mapping[str, Any] | None:
    """The usage object as the client gets it; ``None`` where it is left out."""
    if fault is Fault.MISSING_USAGE:
        return None
    return _NONSENSE if fault is Fault.MALFORMED_USAGE else usage
