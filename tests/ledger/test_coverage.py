"""Tag coverage: what share of requests and of spend carries the tags that are asked for."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.events import Outcome, PriceStatus
from bursar.ledger.columns import table_of
from bursar.ledger.coverage import Coverage, coverage_of
from bursar.ledger.duckdb_schema import MEASURES
from bursar.ledger.duckdb_store import DuckDBStore
from bursar.ledger.layout import day_of
from bursar.ledger.plain import coverage
from bursar.ledger.questions import Measures, ReportQuestion
from bursar.ledger.row import settled_row
from support.ledger_records import START_US, facts, settled, unpriced

LACKING = (("feature", "answers"), ("untagged", "customer"), ("workload", "experiment"))


def lacking(call, **changes):
    return settled(call, about=facts(call, tags=LACKING), **changes)


def test_from_the_ledger(tmp_path):
    """Sent requests and known costs are covered or not; refusals and unknown costs are no part of it."""
    store = DuckDBStore.open(tmp_path / "index.duckdb", memory_limit_mb=256)
    records = [
        settled(1, cost=3_000),
        lacking(2, cost=1_000),
        lacking(3, outcome=Outcome.REFUSED, price_status=PriceStatus.NOT_BILLED, cost=0, usage=()),
        settled(4, about=facts(4, tags=LACKING), price_status=PriceStatus.UNPRICED, cost=None),
        unpriced(5),
    ]
    store.append("s", table_of([settled_row(one) for one in records]))
    report = store.report(ReportQuestion(by=("untagged", "workload")))
    store.close()

    assert Coverage(4, 2, 4_000, 1_000) == coverage_of(report.total)
    assert {(None, None): 0, ("customer", "experiment"): 2} == {
        row.group: row.measures.untagged_requests for row in report.rows
    }


def test_sums_of_an_older_version(tmp_path):
    """Kept sums without the newer columns are taken as they are."""
    store = DuckDBStore.open(tmp_path / "index.duckdb", memory_limit_mb=256)
    store.append("s", table_of([settled_row(settled(1)), settled_row(lacking(2))]))
    day = day_of(START_US)
    sums = store.day_sums(day).drop_columns(["workload", "traffic", "untagged", "untagged_requests", "untagged_cost"])
    store.close()
    rebuilt = DuckDBStore.open(tmp_path / "other.duckdb", memory_limit_mb=256)
    rebuilt.restore_day_sums(day, sums)
    report = rebuilt.report(ReportQuestion(by=("workload",)))
    rebuilt.close()

    assert [(None,)] == [row.group for row in report.rows]
    assert (2, 2_000, 0) == (report.total.requests, report.total.cost, report.total.untagged_requests)


def test_shares():
    """Shares are rounded down, so that one request in a million keeps it from being all; nothing has no share."""
    assert (9_999, 9_999) == (
        Coverage(1_000_000, 1, 0, 0).requests_points,
        Coverage(0, 0, 10**15, 1).cost_points,
    )
    assert (None, None) == (Coverage(0, 0, 0, 0).requests_points, Coverage(0, 0, 0, 0).cost_points)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**20), st.integers(0, 10**20))
def test_share_is_whole_only_when_nothing_lacks(tagged, lacking_requests, cost, lacking_cost):
    """A share is a share, and all of it exactly when nothing lacks."""
    coverage = coverage_of(
        Measures(
            requests=tagged + lacking_requests,
            untagged_requests=lacking_requests,
            cost=cost + lacking_cost,
            untagged_cost=lacking_cost,
        )
    )

    for points, lacks in ((coverage.requests_points, lacking_requests), (coverage.cost_points, lacking_cost)):
        assert points is None or (0 <= points <= 10_000 and (points == 10_000) == (lacks == 0))


def test_told_in_percent():
    """In answers the shares are percent with two decimals, and unknown where there is nothing."""
    sums = Measures(requests=3, untagged_requests=1, cost=2, untagged_cost=2)

    assert (66.66, 0.0, 1, "0.000000000002") == (
        coverage(sums)["tagged_requests_percent"],
        coverage(sums)["tagged_cost_percent"],
        coverage(sums)["untagged_requests"],
        coverage(sums)["untagged_cost_usd"],
    )
    assert (None, None) == (
        coverage(Measures())["tagged_requests_percent"],
        coverage(Measures())["tagged_cost_percent"],
    )


def test_measures_are_asked_for():
    """Both figures are sums that every report has."""
    assert {"untagged_requests", "untagged_cost"} <= MEASURES.keys() & set(Measures.__struct_fields__)
