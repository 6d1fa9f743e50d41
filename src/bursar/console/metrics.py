"""Prometheus metrics of one worker.

The figures are plain counters read when somebody asks, so the request path never takes a metrics lock. `console.fleet`
adds up those of several workers: what is stated here is a worker's own, never something that all of them see alike.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bursar.gateway.state import Gateway


class GatewayCollector(Collector):
    """Reads a gateway's counters when asked."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Every metric, now."""
        gateway, counts = self._gateway, self._gateway.counts
        yield CounterMetricFamily("bursar_calls", "Client requests admitted or refused.", counts.calls)
        yield CounterMetricFamily("bursar_attempts", "Attempts sent to providers.", counts.attempts)
        yield _labelled("bursar_outcomes", "Settled attempts by outcome.", "outcome", counts.by_outcome)
        yield _labelled("bursar_refusals", "Refused calls by code.", "code", counts.refusals)
        yield CounterMetricFamily(
            "bursar_untagged_requests", "Requests admitted without a tag that their rules ask for.", counts.untagged
        )
        yield CounterMetricFamily(
            "bursar_unchecked_admissions", "Attempts let through while nobody could count them.", counts.unchecked
        )
        holding = sum(call.is_holding for call in gateway.in_flight)
        yield GaugeMetricFamily("bursar_holds_in_flight", "Attempts that hold some of a budget or limit.", holding)
        yield CounterMetricFamily("bursar_response_bytes", "Answer bytes received.", counts.response_bytes)
        yield CounterMetricFamily("bursar_config_reloads", "Configuration reloads.", counts.reloads)
        yield CounterMetricFamily(
            "bursar_config_reload_failures", "Configuration changes that were not usable.", counts.failed_reloads
        )
        yield CounterMetricFamily(
            "bursar_unrecorded_refusals", "Refusals the spool could not take.", counts.unrecorded_refusals
        )
        yield GaugeMetricFamily("bursar_calls_in_flight", "Calls a provider is working on.", len(gateway.in_flight))
        yield GaugeMetricFamily("bursar_client_connections", "Open client connections.", len(gateway.connections))
        yield GaugeMetricFamily(
            "bursar_spool_pending", "Settled records waiting for the disk; above 0 is trouble.", gateway.pending()
        )
        keys = gateway.snapshot.keyring.store
        yield GaugeMetricFamily(
            "bursar_control_unavailable",
            "1 while keys made at run time cannot be looked up.",
            int(keys is not None and keys.trouble is not None),
        )
        yield from self._upstream()

    def _upstream(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily(
            "bursar_upstream_connections", "Connections to providers.", labels=["origin", "state"]
        )
        waiting = GaugeMetricFamily("bursar_upstream_waiting", "Calls waiting for a connection.", labels=["origin"])
        for origin, stats in self._gateway.client.stats().items():
            connections.add_metric([str(origin), "open"], stats.open)
            connections.add_metric([str(origin), "idle"], stats.idle)
            waiting.add_metric([str(origin)], stats.waiting)
        yield connections
        yield waiting


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
