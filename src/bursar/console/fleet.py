"""What the workers of one gateway say of themselves, put together by whichever of them is asked.

Counters are summed over all workers, also over those that are down, so that no sum ever goes back (Prometheus would
take that for a restart and count everything twice). Gauges and troubles are taken from workers that reported lately: a
dead worker has no calls in flight.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from bursar.clock import US_PER_S, Clock
from bursar.console.metrics import GatewayCollector
from bursar.gateway.state import Gateway

LATE_US: Final = 5 * US_PER_S
"""A worker that has not reported for so long is down, or its event loop is stuck."""

COUNTER: Final = "counter"


class Sample(Struct, frozen=True, array_like=True):
    """One figure of a family."""

    name: str
    labels: dict[str, str]
    value: float


class Family(Struct, frozen=True, array_like=True):
    """One metric with all its figures."""

    name: str
    text: str
    kind: str
    """Prometheus' type: ``counter``, ``gauge``."""
    samples: tuple[Sample, ...]


class Report(Struct, frozen=True):
    """What one process says of itself."""

    worker: str
    at_us: int
    """When, on the monotonic clock, which all processes of a machine share."""
    families: tuple[Family, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it should not be sent calls."""
    remarks: tuple[str, ...] = ()
    """Troubles that the other workers make up for."""


class Fleet(Protocol):
    """All processes of one gateway."""

    def reports(self) -> Sequence[Report]:
        """The newest report of each, the asked worker's of this moment."""
        ...


class Alone:
    """The fleet of a gateway with one worker."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway: Final = gateway

    def reports(self) -> Sequence[Report]:
        return (report_of(self._gateway),)


class Readiness(Struct, frozen=True):
    """What `/readyz` answers."""

    ready: bool
    """Whether calls may be sent here: no worker that answers has a reason against it."""
    reasons: tuple[str, ...]
    """Those reasons, and what is said of workers that are down while others carry on."""


def report_of(gateway: Gateway) -> Report:
    """A worker's report on itself."""
    return Report(
        worker=gateway.worker,
        at_us=gateway.clock.monotonic_us(),
        families=tuple(_family(metric) for metric in GatewayCollector(gateway).collect()),
        reasons=tuple(gateway.trouble()),
        remarks=tuple(gateway.remarks()),
    )


def readiness(reports: Sequence[Report], *, now_us: int) -> Readiness:
    """Whether this gateway should be sent calls, and every trouble there is."""
    present = [one for one in reports if not _is_late(one, now_us)]
    prefixed = len(reports) > 1
    reasons = [f"{one.worker}: {reason}" if prefixed else reason for one in present for reason in one.reasons]
    remarks = [remark for one in present for remark in one.remarks]
    silent = [
        f"{one.worker} has not reported for {(now_us - one.at_us) // US_PER_S} s"
        for one in reports
        if _is_late(one, now_us)
    ]
    return Readiness(ready=not reasons, reasons=(*reasons, *remarks, *silent))


def exposition(fleet: Fleet, clock: Clock, shared: Iterable[Family] = ()) -> bytes:
    """The metrics of all workers in Prometheus' text format; ``shared`` is what all workers see alike, told once."""
    reports = fleet.reports()
    now_us = clock.monotonic_us()
    families = [
        family for one in reports for family in one.families if family.kind == COUNTER or not _is_late(one, now_us)
    ]
    registry = CollectorRegistry()
    registry.register(_Summed((*summed(families), *shared)))
    return generate_latest(registry)


def summed(families: Iterable[Family]) -> tuple[Family, ...]:
    """Families of several workers as one each: figures with the same name and labels are added."""
    first: dict[str, Family] = {}
    samples: dict[str, dict[tuple[object, ...], Sample]] = {}
    for family in families:
        first.setdefault(family.name, family)
        into = samples.setdefault(family.name, {})
        for one in family.samples:
            key = (one.name, *sorted(one.labels.items()))
            before = into.get(key)
            into[key] = Sample(one.name, one.labels, one.value + (before.value if before is not None else 0))
    return tuple(
        Family(family.name, family.text, family.kind, tuple(samples[name].values())) for name, family in first.items()
    )


def counters(families: Iterable[Family]) -> tuple[Family, ...]:
    """Those whose figures only grow."""
    return tuple(family for family in families if family.kind == COUNTER)


class _Summed(Collector):
    """Families, as prometheus-client wants them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families: Final = families

    def collect(self) -> Iterable[Metric]:
        """Every metric."""
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for one in family.samples:
                metric.add_sample(one.name, one.labels, one.value)
            yield metric


def _family(metric: Metric) -> Family:
    samples = tuple(Sample(one.name, dict(one.labels), one.value) for one in metric.samples)
    return Family(metric.name, metric.documentation, metric.type, samples)


def _is_late(report: Report, now_us: int) -> bool:
    return now_us - report.at_us > LATE_US
