"""What decides about a request besides the request itself, and the whole way from its arrival to a plan."""

from typing import Protocol

from bursar.errors import Refusal
from bursar.gateway.cooling import Cooling
from bursar.gateway.pipeline import Admission, Plan, admit
from bursar.gateway.seeded import Seeded


class Station(Protocol):
    """A worker's gateway, as far as decisions go."""

    is_draining: bool
    cooling: Cooling
    seeded: Seeded


def admitted(admission: Admission, station: Station, *, now_us: int) -> Plan:
    """Admit a request, or raise the Refusal that stands against it; ``now_us`` is monotonic."""
    if station.is_draining:
        raise Refusal("shutting_down", "This gateway is shutting down; try again.", retry_after_s=1)
    plan = admit(admission)
    station.cooling.check(plan.target, plan.request.model, now_us=now_us)
    return plan
