"""Figures and troubles of several workers, put together."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.console.fleet import LATE_US, Family, Report, Sample, exposition, readiness, summed
from support.ledger_records import FixedClock

NOW_US = 50_000_000
OLD_US = NOW_US - LATE_US - 1

samples = st.builds(
    Sample,
    st.sampled_from(["a_total", "b_total"]),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"])),
    st.integers(0, 1000),
)
families = st.builds(
    Family,
    st.sampled_from(["a", "b"]),
    st.just("text"),
    st.just("counter"),
    st.lists(samples, max_size=4, unique_by=lambda one: (one.name, *sorted(one.labels.items()))).map(tuple),
)


def figures(found) -> dict[tuple, float]:
    """Every figure by family, name and labels."""
    return {
        (family.name, one.name, *sorted(one.labels.items())): one.value for family in found for one in family.samples
    }


@given(st.lists(families, max_size=6), st.randoms(use_true_random=False))
def test_summed(several, dice):
    """Sums lose nothing, and neither order nor grouping matters."""
    shuffled = dice.sample(several, len(several))
    cut = dice.randint(0, len(several))
    by_parts = summed([*summed(shuffled[:cut]), *summed(shuffled[cut:])])

    assert figures(summed(several)) == figures(by_parts)
    assert sum(one.value for family in several for one in family.samples) == sum(figures(summed(several)).values())


class Reported:
    """A fleet whose reports are given."""

    def __init__(self, *reports: Report) -> None:
        self._reports = reports

    def reports(self):
        return self._reports


def counted(worker: str, at_us: int, calls: int, in_flight: int) -> Report:
    """A report with a counter and a gauge."""
    return Report(
        worker,
        at_us,
        (
            Family("calls", "Calls.", "counter", (Sample("calls_total", {"kind": "k"}, calls),)),
            Family("in_flight", "Now.", "gauge", (Sample("in_flight", {}, in_flight),)),
        ),
    )


def test_exposition():
    """Counters are summed over all, gauges over those that reported lately."""
    clock = FixedClock(NOW_US)
    now_us = clock.monotonic_us()
    fleet = Reported(
        counted("w1", now_us, 3, 1), counted("w2", now_us - LATE_US, 4, 2), counted("w3", now_us - LATE_US - 1, 5, 4)
    )
    lines = exposition(fleet, clock).decode().splitlines()

    assert ['calls_total{kind="k"} 12.0', "in_flight 3.0"] == [line for line in lines if not line.startswith("#")]
    assert "# TYPE calls_total counter" in lines


def test_ready():
    """Workers without troubles are ready."""
    found = readiness([Report("w1", NOW_US), Report("w2", NOW_US)], now_us=NOW_US)

    assert (True, ()) == (found.ready, found.reasons)


def test_one_worker_in_trouble():
    """One worker that should get no calls makes the gateway unready, and is named."""
    reports = [Report("w1", NOW_US, reasons=("the disk is full",)), Report("w2", NOW_US)]
    found = readiness(reports, now_us=NOW_US)

    assert (False, ("w1: the disk is full",)) == (found.ready, found.reasons)


def test_alone_in_trouble():
    """Where there is only one, it need not be named."""
    found = readiness([Report("w1", NOW_US, reasons=("the disk is full",))], now_us=NOW_US)

    assert (False, ("the disk is full",)) == (found.ready, found.reasons)


def test_worker_that_is_down():
    """A worker that others make up for is named, and its old troubles count no more."""
    reports = [
        Report("supervisor", NOW_US, remarks=("w2 was killed",)),
        Report("w1", NOW_US),
        Report("w2", OLD_US, reasons=("the disk is full",)),
    ]
    found = readiness(reports, now_us=NOW_US)

    assert (True, ("w2 was killed", "w2 has not reported for 5 s")) == (found.ready, found.reasons)
