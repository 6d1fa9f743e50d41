"""What every `Store` must answer about charges; subclass `ChargesContract` beside a ``fresh`` fixture.

The model is a loop over rows, and what one row counts is asked of the gateway itself, which settles by the same law.
"""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bursar.events import Outcome
from bursar.gateway.holding import used_by
from bursar.ledger.columns import table_of
from bursar.ledger.questions import Charge, ChargesQuestion
from bursar.ledger.row import corrected_rows, resettled_rows, settled_row
from bursar.policy.claims import Account
from bursar.policy.decide import Decision
from bursar.policy.gates import Gate
from support.ledger_records import HOUR_US, START_US, corrected, facts, opened, settled, settlements, unpriced
from support.store_contract import QUIET, text_of, value_of

NOT_COUNTED = {"refused", "interrupted"}

NEEDS = Decision(
    tuple(
        Gate(kind="budget", name=measure, measure=measure, account=Account(measure), limit=1)
        for measure in ("usd", "tokens")
    )
)


def counted_by_gateway(settlement):
    """What the gateway counts when it settles an attempt: picodollars and tokens."""
    held = (settlement.facts.bound or 0, settlement.facts.bound_tokens or 0)
    return used_by(settlement, NEEDS, held)


def dimension_of(row, name):
    """A row's value of a dimension, as text."""
    return text_of(value_of(row, name.removeprefix("tag:")))


def charges_over(rows, question):
    """The answer, the slow and obvious way. ``rows`` are (row, picodollars, tokens) with signs."""
    groups = {}
    for row, pico, tokens in rows:
        if not (question.since_us or -(10**18)) <= row.at_us < (question.until_us or 10**18):
            continue
        if not all(dimension_of(row, name) for name in question.must_have):
            continue
        if row.config in question.counted and row.revision == 0:
            continue
        bucket = row.at_us // question.bucket_us if question.bucket_us else 0
        group = tuple(dimension_of(row, name) for name in question.by)
        groups.setdefault((bucket, group), []).append((row, pico, tokens))
    found = []
    for (bucket, group), some in groups.items():
        sent = [one for one in some if one[0].outcome not in NOT_COUNTED]
        charge = Charge(
            group,
            bucket,
            sum(pico for _, pico, _ in sent),
            sum(tokens for _, _, tokens in sent),
            sum(row.weight for row, _, _ in sent),
        )
        is_active = question.active_since_us is None or max(row.at_us for row, _, _ in some) >= question.active_since_us
        if is_active and (charge.pico or charge.tokens or charge.attempts):
            found.append(charge)
    return sorted(found, key=lambda one: (one.bucket, one.pico, one.tokens, one.attempts, one.group))


def with_charges(settlement_list, costs):
    """Rows of some settlements, one an attempt, some of them repriced, with what each of them counts."""
    unique = {(one.facts.call_id, one.facts.attempt): one for one in settlement_list}
    rows = []
    for position, one in enumerate(unique.values()):
        row = settled_row(one)
        pico, tokens = counted_by_gateway(one)
        rows.append((row, pico, tokens))
        cost = costs[position] if position < len(costs) else 0
        if cost != 0:
            later = structs.replace(one, cost=cost)
            reversal, restated = corrected_rows(row, corrected(cost=cost, delta=(cost or 0) - (one.cost or 0)))
            rows += [(reversal, -pico, -tokens), (restated, *counted_by_gateway(later))]
    return rows


instants = st.none() | st.builds(
    lambda hours, rest: START_US + hours * HOUR_US + rest, st.integers(-4, 4), st.sampled_from([0, 1, -1, HOUR_US // 2])
)
questions = st.builds(
    ChargesQuestion,
    by=st.lists(
        st.sampled_from(["organisation", "team", "key", "requested_model", "provider", "user", "tag:agent", "task"]),
        unique=True,
        max_size=3,
    ).map(tuple),
    since_us=instants,
    until_us=instants,
    bucket_us=st.sampled_from([None, HOUR_US, 2 * HOUR_US, HOUR_US // 60]),
    must_have=st.sampled_from([(), ("task",), ("team", "user")]),
    counted=st.sampled_from([(), ("config-1",), ("config-1", "config-2"), ("config-3",)]),
)


class ChargesContract:
    """What any store must answer about charges."""

    @given(
        st.lists(settlements(), max_size=14),
        st.lists(st.sampled_from([0, 0, None, 5, 2**62]), max_size=14),
        questions,
        st.integers(1, 5),
    )
    @QUIET
    def test_charges_are_what_the_gateway_settles(self, fresh, settlement_list, costs, question, batches):
        """Whatever is grouped and windowed, from sums or from rows, attempts count what their settlement counted."""
        rows = with_charges(settlement_list, costs)
        store = fresh()
        for batch in range(batches):
            store.append(f"segment-{batch}", table_of([row for row, _, _ in rows[batch::batches]]))

        answer = store.charges(question)
        assert charges_over(rows, question) == sorted(
            answer.rows, key=lambda one: (one.bucket, one.pico, one.tokens, one.attempts, one.group)
        )

    def test_unknown_counts_as_its_bound(self, fresh):
        """An unknown cost counts the most it may be, until a correction says what it was; an interruption nothing."""
        first = settled_row(unpriced(1, about=facts(1, bound=900, bound_tokens=70), usage=()))
        store = fresh()
        store.append("a", table_of([first, settled_row(settled(2, outcome=Outcome.REFUSED, cost=0, usage=()))]))
        before = store.charges(ChargesQuestion()).rows
        store.append("b", table_of(list(corrected_rows(first, corrected(1, cost=7, delta=7)))))

        assert (Charge((), 0, 900, 70, 1),) == before
        assert (Charge((), 0, 7, 0, 1),) == store.charges(ChargesQuestion()).rows

    def test_interrupted_counts_nothing(self, fresh):
        """An attempt whose process died counts nothing, until its settlement is found."""
        lost = settled_row(
            settled(1, about=opened(1).facts, outcome=Outcome.INTERRUPTED, cost=None, usage=(), lines=())
        )
        store = fresh()
        store.append("a", table_of([lost]))
        before = store.charges(ChargesQuestion()).rows
        store.append("b", table_of(list(resettled_rows(lost, settled(1)))))

        assert () == before
        assert (Charge((), 0, 1000, 4, 1),) == store.charges(ChargesQuestion()).rows

    def test_counted_configurations(self, fresh):
        """Attempts that counters have counted come in only by what corrections changed."""
        first = settled_row(settled(1, about=facts(1, config="known")))
        store = fresh()
        store.append("a", table_of([first, settled_row(settled(2, about=facts(2, config="other")))]))
        store.append("b", table_of(list(corrected_rows(first, corrected(1, cost=1_300, delta=300)))))

        assert (Charge((), 0, 1_300, 4, 1),) == store.charges(ChargesQuestion(counted=("known",))).rows

    def test_active_groups(self, fresh):
        """Groups that have been silent are left out; those that have not come with all they ever counted."""
        rows = [
            settled_row(settled(about=facts(number, task=task, at_us=START_US + hour * HOUR_US)))
            for number, (task, hour) in enumerate([("old", 0), ("long", 0), ("long", 5)])
        ]
        store = fresh()
        store.append("a", table_of(rows))
        question = ChargesQuestion(by=("task",), must_have=("task",), active_since_us=START_US + 3 * HOUR_US)

        assert (Charge(("long",), 0, 2_000, 8, 2),) == store.charges(question).rows

    def test_days_that_were_dropped(self, fresh):
        """Days whose rows are gone still count where hourly sums know them; elsewhere the answer says what it lacks."""
        store = fresh()
        store.append("a", table_of([settled_row(unpriced(1))]))
        sums = store.day_sums("2026-11-01")
        rebuilt = fresh()
        rebuilt.restore_day_sums("2026-11-01", sums)

        by_team = rebuilt.charges(ChargesQuestion(by=("team",)))
        assert ((Charge(("search",), 0, 9_000, 4, 1),), None) == (by_team.rows, by_team.lacks_before_us)
        by_user = rebuilt.charges(ChargesQuestion(by=("user",)))
        assert ((), START_US + 24 * HOUR_US) == (by_user.rows, by_user.lacks_before_us)
