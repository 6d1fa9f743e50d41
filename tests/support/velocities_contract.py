"""What every `Store` must answer about how fast agent runs spend; subclass it beside a ``fresh`` fixture."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.events import Outcome, Principal
from bursar.gateway.holding import used_by
from bursar.ledger.columns import table_of
from bursar.ledger.questions import VelocitiesQuestion, Velocity
from bursar.ledger.row import settled_row
from bursar.money import Pico
from support.charges_contract import NEEDS
from support.ledger_records import START_US, facts, settled
from support.store_contract import QUIET

PART_US = 300_000_000

QUESTION = VelocitiesQuestion(since_us=START_US, part_us=PART_US, percent=95)

OWNERS = (
    Principal("acme", "search", "site", "key-1"),
    Principal("acme", "search", "site", "key-2"),
    Principal("acme", "", "", "key-1"),
    Principal("acme", "", "", "key-2"),
)


def attempt(number, *, part=0, cost=1_000, task="t", kind="review", owner=OWNERS[0], outcome=Outcome.SUCCESS):
    """An attempt of a run; an unknown cost counts at its bound of 9,000."""
    about = facts(
        number, at_us=START_US + part * PART_US + number, task=task, task_type=kind, principal=owner, bound=Pico(9_000)
    )
    return settled(number, about=about, cost=cost, outcome=outcome)


def velocities_over(settlements, question):
    """The answer, the slow and obvious way."""
    sums = {}
    for one in settlements:
        about = one.facts
        if about.task is None or about.at_us < question.since_us or one.outcome is Outcome.REFUSED:
            continue
        who = about.principal
        run = (about.task_type or "", who.organisation, who.team, "" if who.team else who.key, about.task)
        key = (run, about.at_us // question.part_us)
        sums[key] = sums.get(key, 0) + used_by(one, NEEDS, (0, 0))[0]
    by_type = {}
    for (run, _), spent in sums.items():
        if spent > 0:
            by_type.setdefault(run[0], []).append(spent)
    return tuple(
        Velocity(kind, sorted(spent)[-(-question.percent * len(spent) // 100) - 1], len(spent))
        for kind, spent in sorted(by_type.items())
        if len(spent) >= question.at_least
    )


class VelocitiesContract:
    """Subclass it beside a fixture ``fresh`` that makes empty stores."""

    def test_percentile(self, fresh):
        """Of a hundred parts, ninety-five saw at most what is told."""
        store = fresh()
        store.append(
            "s", table_of([settled_row(attempt(number, part=number, cost=number * 10)) for number in range(1, 101)])
        )

        assert (Velocity("review", 950, 100),) == store.velocities(QUESTION).rows

    def test_parts(self, fresh):
        """What one run spends in one part is one sum, whatever key of a team it uses; others are other runs."""
        store = fresh()
        attempts = [attempt(number, owner=owner) for number, owner in enumerate(OWNERS, start=1)]
        store.append("s", table_of([settled_row(one) for one in attempts]))

        assert (Velocity("review", 2_000, 3),) == store.velocities(QUESTION).rows

    def test_too_little(self, fresh):
        """A type with less history than asked for is not told of."""
        store = fresh()
        attempts = [attempt(number, part=number, kind="a" if number < 3 else "b") for number in range(1, 6)]
        store.append("s", table_of([settled_row(one) for one in attempts]))
        question = VelocitiesQuestion(since_us=START_US, part_us=PART_US, percent=95, at_least=3)

        assert (Velocity("b", 1_000, 3),) == store.velocities(question).rows

    @QUIET
    @given(
        st.lists(
            st.builds(
                dict,
                part=st.integers(-1, 3),
                cost=st.none() | st.integers(0, 5) | st.just(9 * 10**18),
                task=st.sampled_from([None, "t", "u"]),
                kind=st.sampled_from([None, "review", "plan"]),
                owner=st.sampled_from(OWNERS),
                outcome=st.sampled_from([Outcome.SUCCESS, Outcome.REFUSED, Outcome.ERROR]),
            ),
            max_size=25,
        ),
        st.integers(1, 100),
        st.integers(1, 4),
    )
    def test_model(self, fresh, attempts, percent, at_least):
        """The answer is what a loop over the attempts comes to."""
        settlements = [attempt(number, **values) for number, values in enumerate(attempts, start=1)]
        store = fresh()
        if settlements:
            store.append("s", table_of([settled_row(one) for one in settlements]))
        question = VelocitiesQuestion(since_us=START_US, part_us=PART_US, percent=percent, at_least=at_least)

        assert velocities_over(settlements, question) == store.velocities(question).rows
