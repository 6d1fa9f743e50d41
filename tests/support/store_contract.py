"""The contract of every `Store`: subclass `StoreContract` beside a ``fresh`` fixture that makes empty stores.

Each property compares the store with the plainest possible model: a loop over rows in Python.
"""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bursar.events import Outcome
from bursar.ledger.columns import table_of
from bursar.ledger.layout import day_of
from bursar.ledger.questions import (
    COLUMN_DIMENSIONS,
    TIME_DIMENSIONS,
    CandidatesQuestion,
    Measures,
    NewestQuestion,
    QuestionError,
    ReportQuestion,
)
from bursar.ledger.row import RowKind, corrected_rows, settled_row
from bursar.usage import CACHE_READ_METERS, CACHE_WRITE_METERS, INPUT_TOKEN_METERS, OUTPUT_TOKEN_METERS, Meter
from support.ledger_records import DAY_US, HOUR_US, START_US, corrected, facts, settled, settlements, unpriced

FAILED = {"error", "timeout", "reset", "cut", "interrupted"}

QUIET = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

BUCKETS = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


def value_of(row, dimension):
    """A row's value of a dimension, as a report shows it."""
    if dimension in BUCKETS:
        at = dt.datetime.fromtimestamp(row.at_us // 10**6, dt.UTC)
        return at.strftime(BUCKETS[dimension])
    if dimension == "model":
        return row.model or row.requested_model
    value = getattr(row, dimension) if dimension in COLUMN_DIMENSIONS else dict(row.tags).get(dimension)
    return None if value == "" else value


def text_of(value):
    """A value as filters spell it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def measures_over(rows):
    """The measures of some rows, the slow and obvious way."""

    def count(holds):
        return sum(row.weight for row in rows if holds(row))

    def total(name, holds=lambda _: True):
        return sum(getattr(row, name) or 0 for row in rows if holds(row))

    def tokens(meters):
        return sum(quantity for row in rows for meter, quantity in row.usage if meter in meters)

    unpriced_count = count(lambda row: row.price_status == "unpriced")
    is_unknown = (
        unpriced_count > 0 and count(lambda row: row.cost_pico is not None and row.price_status != "not_billed") == 0
    )
    return Measures(
        requests=count(lambda row: row.attempt == 1),
        attempts=count(lambda _: True),
        errors=count(lambda row: row.outcome in FAILED),
        refused_requests=count(lambda row: row.outcome == "refused"),
        unpriced_requests=unpriced_count,
        interrupted_requests=count(lambda row: row.outcome == "interrupted"),
        estimated_requests=count(lambda row: row.usage_status == "estimated"),
        inconsistent_requests=count(lambda row: row.usage_status == "inconsistent"),
        cost=None if is_unknown else total("cost_pico"),
        list_cost=None
        if is_unknown
        else total("cost_pico", lambda row: row.list_cost_pico is None) + total("list_cost_pico"),
        provider_cost=total("provider_cost_pico"),
        interrupted_bound=total("bound_pico", lambda row: row.outcome == "interrupted"),
        input_tokens=tokens(INPUT_TOKEN_METERS),
        cached_input_tokens=tokens(CACHE_READ_METERS),
        cache_write_tokens=tokens(CACHE_WRITE_METERS),
        output_tokens=tokens(OUTPUT_TOKEN_METERS),
        reasoning_tokens=tokens({Meter.OUTPUT_REASONING}),
        searches=tokens({Meter.SEARCHES}),
    )


def report_over(rows, question):
    """The groups of a report, the slow and obvious way."""
    wanted = {}
    for name, value in question.filters:
        wanted.setdefault(name, set()).add(value)
    groups = {}
    for row in rows:
        in_window = (question.since_us is None or row.at_us >= question.since_us) and (
            question.until_us is None or row.at_us < question.until_us
        )
        if in_window and all(text_of(value_of(row, name)) in values for name, values in wanted.items()):
            groups.setdefault(tuple(value_of(row, name) for name in question.by), []).append(row)
    measured = {group: measures_over(some) for group, some in groups.items()}
    return {group: measures for group, measures in measured.items() if measures.attempts}


def with_corrections(settlement_list, costs):
    """Rows of some settlements, one an attempt, some of them repriced."""
    unique = {(one.facts.call_id, one.facts.attempt): settled_row(one) for one in settlement_list}
    rows = list(unique.values())
    for row, cost in zip(unique.values(), costs, strict=False):
        rows.extend(
            corrected_rows(row, corrected(cost=cost, delta=(cost or 0) - (row.cost_pico or 0))) if cost != 0 else ()
        )
    return rows


dimensions = st.lists(
    st.sampled_from([*COLUMN_DIMENSIONS, *TIME_DIMENSIONS, "agent"]),
    unique=True,
    max_size=3,
)
instants = st.none() | st.builds(
    lambda hours, rest: START_US + hours * HOUR_US + rest, st.integers(-4, 4), st.sampled_from([0, 1, -1, HOUR_US // 2])
)
FILTERS = (
    ("team", "a"),
    ("team", ""),
    ("team", "b"),
    ("model", "m1"),
    ("stream", "true"),
    ("outcome", "success"),
    ("agent", "ü"),
    ("agent", ""),
    ("user", "a"),
    ("day", "2026-11-01"),
    ("status", "200"),
)
questions = st.builds(
    lambda by, since_us, until_us, conditions: ReportQuestion(
        by=tuple(by), since_us=since_us, until_us=until_us, filters=tuple(conditions)
    ),
    dimensions,
    instants,
    instants,
    st.lists(st.sampled_from(FILTERS), max_size=2),
)


class StoreContract:
    """What any store must do."""

    @given(
        st.lists(settlements(), max_size=14),
        st.lists(st.sampled_from([0, 0, None, 5, 2**62]), max_size=14),
        questions,
        st.integers(1, 5),
    )
    @QUIET
    def test_report_is_the_sum_of_the_rows(self, fresh, settlement_list, costs, question, batches):
        """Whatever is grouped, filtered and windowed, by sums or by rows, the answer equals a loop over the rows."""
        rows = with_corrections(settlement_list, costs)
        store = fresh()
        for batch in range(batches):
            store.append(f"segment-{batch}", table_of(rows[batch::batches]))

        has_agents = any("agent" in dict(row.tags) for row in rows)
        if not has_agents and "agent" in [*question.by, *(name for name, _ in question.filters)]:
            with pytest.raises(QuestionError, match="unknown dimension 'agent'"):
                store.report(question)
            return
        report = store.report(question)
        expected = report_over(rows, question)
        total = report_over(rows, structs.replace(question, by=()))
        assert {row.group: row.measures for row in report.rows} == expected
        assert report.total == total.get((), Measures())
        assert (report.groups, report.lacks_before_us) == (len(expected), None)

    def test_sums_beyond_64_bits(self, fresh):
        """Sums of money and tokens are exact at any size."""
        most = 2**63 - 1
        store = fresh()
        store.append(
            "s", table_of([settled_row(settled(call, cost=most, usage=((0, most),), lines=())) for call in range(9)])
        )

        for by in ((), ("user",)):
            total = store.report(ReportQuestion(by=by)).total
            assert (total.cost, total.list_cost, total.input_tokens) == (9 * most, 9 * most, 9 * most)

    def test_append_is_idempotent(self, fresh):
        """A segment that is appended twice is there once."""
        store = fresh()
        for _ in range(2):
            store.append("s", table_of([settled_row(settled(1))]))

        assert store.report(ReportQuestion()).total.requests == 1
        assert store.applied() == {"s"}

    def test_failed_append_leaves_nothing(self, fresh):
        """An append that fails leaves neither rows nor sums nor the segment's name."""
        store = fresh()
        table = table_of([settled_row(settled(1))])
        with pytest.raises(Exception, match=r"\w"):
            store.append("s", table.drop_columns(["cost_pico"]))

        assert store.applied() == set()
        assert store.report(ReportQuestion()).total == Measures()
        store.append("s", table)
        assert store.report(ReportQuestion()).total.requests == 1

    def test_many_small_batches(self, fresh):
        """Sums stay those of the rows while small batches are merged behind the scenes."""
        store = fresh()
        for batch in range(70):
            store.append(f"s{batch}", table_of([settled_row(settled(batch, cost=batch))]))

        total = store.report(ReportQuestion(by=("hour",))).total
        assert (total.requests, total.cost) == (70, sum(range(70)))
        assert store.health().rollup_rows < 70

    def test_unknown_dimension(self, fresh):
        """An unknown dimension is refused with the valid ones, a tag that rows carry is one, `tag:` always is."""
        store = fresh()
        store.append("s", table_of([settled_row(settled(1))]))

        for question in (ReportQuestion(by=("tema",)), ReportQuestion(filters=(("tema", "x"),))):
            with pytest.raises(QuestionError, match=r"unknown dimension 'tema'; valid ones are .*team.*agent"):
                store.report(question)
        assert [row.group for row in store.report(ReportQuestion(by=("agent", "tag:new"))).rows] == [("a1", None)]

    def test_tag_with_a_column_name(self, fresh):
        """`tag:` tells a caller's tag from the column of the same name; promoted tags are columns either way."""
        store = fresh()
        about = facts(1, tags=(("feature", "f"), ("provider", "mine"), ("team", "search")))
        store.append("s", table_of([settled_row(settled(about=about))]))

        report = store.report(ReportQuestion(by=("tag:provider", "provider", "tag:feature", "feature", "tag:team")))
        assert [row.group for row in report.rows] == [("mine", "openai", "f", "f", "search")]

    def test_hostile_names(self, fresh):
        """Names and values are data, whatever they hold."""
        store = fresh()
        evil = "x'; drop table rows; --"
        store.append("s", table_of([settled_row(settled(about=facts(1, tags=((evil, evil),))))]))

        report = store.report(ReportQuestion(by=(evil,), filters=((evil, evil),)))
        assert [(row.group, row.measures.requests) for row in report.rows] == [((evil,), 1)]

    def test_order_and_limit(self, fresh):
        """Rows come dearest first, time in its order, or as asked; the total covers what the limit hides."""
        store = fresh()
        costs = {1: 5, 2: 50, 3: 20}
        store.append(
            "s",
            table_of(
                [
                    settled_row(settled(about=facts(n, at_us=START_US + n * HOUR_US, provider=f"p{n}"), cost=cost))
                    for n, cost in costs.items()
                ]
            ),
        )

        def order(**question):
            return [row.measures.cost for row in store.report(ReportQuestion(**question)).rows]

        assert order(by=("provider",)) == [50, 20, 5]
        assert order(by=("hour",)) == [5, 50, 20]
        assert order(by=("hour",), order="cost") == [50, 20, 5]
        assert order(by=("provider",), order="provider") == [5, 50, 20]
        report = store.report(ReportQuestion(by=("provider",), limit=1))
        assert (len(report.rows), report.groups, report.total.cost) == (1, 3, 75)
        with pytest.raises(QuestionError, match="cannot order by 'costs'"):
            order(by=("provider",), order="costs")

    def test_unknown_is_never_zero(self, fresh):
        """A group in which nothing has a known cost has none; beside a known cost the gap is counted."""
        store = fresh()
        rows = [unpriced(1), settled(about=facts(2, provider="b")), unpriced(3, about=facts(3, provider="b"))]
        rows.append(settled(about=facts(4, provider="c"), cost=0))
        store.append("s", table_of(list(map(settled_row, rows))))

        report = store.report(ReportQuestion(by=("provider",), order="provider"))
        assert [(row.group[0], row.measures.cost, row.measures.unpriced_requests) for row in report.rows] == [
            ("b", 1000, 1),
            ("c", 0, 0),
            ("openai", None, 1),
        ]

    @given(settlements())
    @QUIET
    def test_rows_come_back(self, fresh, settlement):
        """A row is what it was when it was appended, tag for tag and meter for meter."""
        row = settled_row(settlement)
        store = fresh()
        store.append("s", table_of([row]))

        assert store.present([row.attempt_key, ("other", 1)]) == {row.attempt_key: row}

    def test_present_row(self, fresh):
        """After corrections the present row is the last restatement, everywhere."""
        first = settled_row(settled(1))
        _, second = corrected_rows(first, corrected(1, cost=7, delta=-993))
        _, third = corrected_rows(second, corrected(1, revision=2, cost=8, delta=1))
        store = fresh()
        store.append("s", table_of([first, *corrected_rows(first, corrected(1, cost=7, delta=-993))]))
        store.append("t", table_of(list(corrected_rows(second, corrected(1, revision=2, cost=8, delta=1)))))

        assert store.present([first.attempt_key]) == {first.attempt_key: third}
        assert [row.cost for row in store.newest(NewestQuestion())] == [8]
        assert [row.cost for row in store.reprice_candidates(CandidatesQuestion()).rows] == [8]
        assert [row.kind for row in store.explain(first.call_id)] == [
            RowKind.ATTEMPT,
            *[RowKind.REVERSAL, RowKind.RESTATEMENT] * 2,
        ]
        assert store.report(ReportQuestion()).total.cost == 8

    def test_rename(self, fresh):
        """Merged segments change nothing but names; a name that is not there is an error."""
        store = fresh()
        for name in "ab":
            store.append(name, table_of([settled_row(settled(ord(name)))]))
        store.rename(["a", "b"], "c")

        assert store.applied() == {"c"}
        assert store.report(ReportQuestion()).total.requests == 2
        with pytest.raises(KeyError, match="a"):
            store.rename(["a"], "d")

    def test_drop_and_restore_a_day(self, fresh):
        """A dropped day keeps its sums, also in a store that is rebuilt; questions for its rows say what they lack."""
        rows = [settled_row(settled(about=facts(n, at_us=START_US + n * DAY_US), cost=2**62)) for n in (0, 0, 1)]
        day = day_of(START_US)
        store = fresh()
        store.append("a", table_of(rows[:2]))
        store.append("b", table_of(rows[2:]))
        before = store.report(ReportQuestion(by=("day", "team")))
        sums = store.day_sums(day)
        store.drop_day(day, ["a"])
        rebuilt = fresh()
        rebuilt.append("b", table_of(rows[2:]))
        rebuilt.restore_day_sums(day, sums)
        rebuilt.restore_day_sums(day, sums)

        for one in (store, rebuilt):
            assert one.applied() == {"b", day}
            assert one.report(ReportQuestion(by=("day", "team"))) == before
            by_user = one.report(ReportQuestion(by=("user",)))
            assert (by_user.total.requests, by_user.lacks_before_us) == (1, START_US + DAY_US)
            assert one.report(ReportQuestion(by=("user",), since_us=START_US + DAY_US)).lacks_before_us is None

    def test_filters_of_newest(self, fresh):
        """Newest rows can be narrowed and paged."""
        store = fresh()
        rows = [settled_row(settled(n, outcome=Outcome.ERROR if n % 2 else Outcome.SUCCESS)) for n in range(1, 8)]
        store.append("s", table_of(rows))

        page = store.newest(NewestQuestion(limit=2, filters=(("outcome", "error"),)))
        following = store.newest(NewestQuestion(limit=2, filters=(("outcome", "error"),), before_us=page[-1].at_us))
        assert [row.call_id for row in page + following] == [f"call-{n:06d}" for n in (7, 5, 3, 1)]

    def test_only_unpriced_candidates(self, fresh):
        """Candidates can be narrowed to those without a price and to a window."""
        store = fresh()
        store.append("s", table_of([settled_row(unpriced(1)), settled_row(settled(2)), settled_row(unpriced(3))]))

        pages = store.reprice_candidates(CandidatesQuestion(only_unpriced=True, since_us=rows_at(2)))
        assert [row.call_id for row in pages.rows] == ["call-000003"]
        until = store.reprice_candidates(CandidatesQuestion(until_us=rows_at(3), only_unpriced=True))
        assert [row.call_id for row in until.rows] == ["call-000001"]


def rows_at(call):
    """When a numbered call was admitted."""
    return facts(call).at_us
