"""The contract of every `ControlState`: subclass `ControlContract` beside a fixture ``state`` that makes empty ones."""

import hashlib
from itertools import pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bursar.config import Budget, KeyGrant
from bursar.control.values import Alert, Author, KeySecret, NameTaken, NewSecret, NoSuchName, TopUp
from bursar.money import Pico

QUIET = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ANA = Author("ana", 1_000)
BEN = Author("ben", 2_000)

SEARCH = KeyGrant(
    name="search-prod",
    team="search",
    tags={"feature": "answers"},
    models=("gpt-5*",),
    routes=("openai",),
    allow_tags={"environment": ("prod",)},
    networks=("10.0.0.0/8",),
    expires_at="2027-01-01",
)

MONTHLY = Budget(name="search", match={"team": "search"}, per=("user",), limit_usd="100.00")


def secret(word: str) -> NewSecret:
    """A secret as it is kept."""
    return NewSecret(digest=hashlib.sha256(word.encode()).digest(), last4=word[-4:].rjust(4, "."))


def alert(number: int = 1, **changes) -> Alert:
    """An alert about a budget."""
    values = {"kind": "budget.threshold", "severity": "warning", "subject": "search", "message": f"{number} %"}
    return Alert(**{**values, "at_us": number, "data": {"percent": number, "limit_usd": "1.00"}, **changes})


def top_up(budget="search", **changes) -> TopUp:
    """Room for a budget until 5,000."""
    values = {"account": None, "pico": Pico(5), "tokens": None, "from_us": 0, "until_us": 5_000, "reason": "launch"}
    return TopUp(budget=budget, **{**values, **changes})


class KeyContract:
    """Virtual keys."""

    def test_created_key(self, state):
        """A key is found by its secret's hash and by its name, with all its terms."""
        made = state.keys.create(SEARCH, secret("one"), ANA)
        found = state.keys.find(secret("one").digest)

        assert made == state.keys.get("search-prod")
        assert (SEARCH, 1_000, "ana", None, None) == (
            made.grant,
            made.made_us,
            made.made_by,
            made.rotated_us,
            made.deleted_us,
        )
        assert (KeySecret(".one", 1_000, None),) == made.secrets
        assert found is not None
        assert (SEARCH, None, False) == (found.grant, found.secret_ends_us, found.is_deleted)

    def test_unknown_key(self, state):
        """What was never made is not there."""
        assert None is state.keys.find(secret("one").digest)
        assert None is state.keys.get("search-prod")
        assert state.keys.is_empty()

    def test_names_are_taken_for_good(self, state):
        """Neither a key's name nor a deleted key's is given again."""
        state.keys.create(SEARCH, secret("one"), ANA)
        with pytest.raises(NameTaken, match="'search-prod'"):
            state.keys.create(SEARCH, secret("two"), ANA)
        state.keys.delete("search-prod", BEN)
        with pytest.raises(NameTaken, match="'search-prod'"):
            state.keys.create(SEARCH, secret("two"), ANA)

        assert None is state.keys.find(secret("two").digest)

    def test_rotation(self, state):
        """The old secret ends after the overlap, the new one does not."""
        state.keys.create(SEARCH, secret("one"), ANA)
        rotated = state.keys.rotate("search-prod", secret("two"), overlap_us=500, author=BEN)

        assert (KeySecret(".two", 2_000, None), KeySecret(".one", 1_000, 2_500)) == rotated.secrets
        assert 2_000 == rotated.rotated_us
        assert 2_500 == state.keys.find(secret("one").digest).secret_ends_us
        assert None is state.keys.find(secret("two").digest).secret_ends_us

    def test_second_rotation_prolongs_nothing(self, state):
        """A secret that was to end keeps its end, or ends earlier."""
        state.keys.create(SEARCH, secret("one"), ANA)
        state.keys.rotate("search-prod", secret("two"), overlap_us=500, author=BEN)
        state.keys.rotate("search-prod", secret("three"), overlap_us=9_000, author=BEN)
        kept = state.keys.rotate("search-prod", secret("four"), overlap_us=0, author=BEN)

        assert {".one": 2_000, ".two": 2_000, "hree": 2_000, "four": None} == {
            one.last4: one.ends_us for one in kept.secrets
        }
        assert "four" == kept.secrets[0].last4

    def test_change(self, state):
        """Terms are replaced as a whole; the secret stays."""
        state.keys.create(SEARCH, secret("one"), ANA)
        changed = state.keys.change(KeyGrant(name="search-prod", enabled=False), BEN)

        assert KeyGrant(name="search-prod", enabled=False) == changed.grant
        assert changed.grant == state.keys.find(secret("one").digest).grant

    def test_deletion(self, state):
        """A deleted key keeps its record, is found as deleted, and takes no further change."""
        state.keys.create(SEARCH, secret("one"), ANA)
        deleted = state.keys.delete("search-prod", BEN)

        assert (2_000, SEARCH) == (deleted.deleted_us, deleted.grant)
        assert deleted == state.keys.get("search-prod")
        assert state.keys.find(secret("one").digest).is_deleted
        assert not state.keys.is_empty()
        for change in (
            lambda: state.keys.delete("search-prod", BEN),
            lambda: state.keys.change(SEARCH, BEN),
            lambda: state.keys.rotate("search-prod", secret("two"), overlap_us=0, author=BEN),
        ):
            with pytest.raises(NoSuchName, match="'search-prod' was deleted"):
                change()

    def test_changing_what_is_not_there(self, state):
        """An unknown name is said to be unknown, and leaves no trace."""
        for change in (
            lambda: state.keys.delete("nobody", BEN),
            lambda: state.keys.change(KeyGrant(name="nobody"), BEN),
            lambda: state.keys.rotate("nobody", secret("two"), overlap_us=0, author=BEN),
        ):
            with pytest.raises(NoSuchName, match="there is no key 'nobody'"):
                change()

        assert () == state.audit.newest(limit=10)

    @QUIET
    @given(st.integers(1, 7))
    def test_pages(self, state, limit):
        """Pages together are all keys by name, each once with all its secrets, deleted ones included."""
        for number in range(10):
            if state.keys.get(f"k{number}") is None:
                state.keys.create(KeyGrant(name=f"k{number}"), secret(f"s{number}"), ANA)
                state.keys.rotate(f"k{number}", secret(f"t{number}"), overlap_us=1, author=BEN)
        if state.keys.get("k3").deleted_us is None:
            state.keys.delete("k3", BEN)
        seen, after = [], ""
        while page := state.keys.page(after=after, limit=limit):
            assert len(page) <= limit
            seen += page
            after = page[-1].grant.name

        assert [state.keys.get(f"k{number}") for number in range(10)] == seen
        assert {2} == {len(one.secrets) for one in seen}


class BudgetContract:
    """Budgets and top-ups."""

    def test_budgets(self, state):
        """A budget is kept as it is written, and listed by name."""
        made = state.budgets.create(MONTHLY, ANA)
        other = state.budgets.create(Budget(name="ads", limit_tokens=5), BEN)

        assert (MONTHLY, 1_000, "ana", 1_000) == (made.budget, made.made_us, made.made_by, made.changed_us)
        assert made == state.budgets.get("search")
        assert (other, made) == state.budgets.every()
        with pytest.raises(NameTaken, match="'search'"):
            state.budgets.create(MONTHLY, ANA)

    def test_changed_and_deleted_budgets(self, state):
        """A change replaces the budget; a deleted one is gone and its name is free."""
        state.budgets.create(MONTHLY, ANA)
        changed = state.budgets.change(Budget(name="search", limit_usd="5"), BEN)
        state.budgets.delete("search", BEN)

        assert ("5", "ana", 1_000, 2_000) == (
            changed.budget.limit_usd,
            changed.made_by,
            changed.made_us,
            changed.changed_us,
        )
        assert None is state.budgets.get("search")
        for change in (lambda: state.budgets.delete("search", BEN), lambda: state.budgets.change(MONTHLY, BEN)):
            with pytest.raises(NoSuchName, match="'search'"):
                change()
        assert 2_000 == state.budgets.create(MONTHLY, BEN).made_us

    @QUIET
    @given(
        st.integers(-(10**30), 10**30) | st.none(),
        st.integers(0, 2**62) | st.none(),
        st.lists(st.text(max_size=5), max_size=3) | st.none(),
        st.text(max_size=20),
    )
    def test_top_ups_are_exact(self, state, pico, tokens, account, reason):
        """Money of any size, and every text, comes back as it was given."""
        given_one = top_up(pico=pico, tokens=tokens, account=None if account is None else tuple(account), reason=reason)
        made = state.top_ups.add(given_one, ANA)

        assert (given_one, 1_000, "ana", None) == (made.top_up, made.made_us, made.made_by, made.cancelled_us)
        assert made == state.top_ups.newest(limit=1)[0]

    def test_active_top_ups(self, state):
        """A top-up counts until it ends or is cancelled."""
        short = state.top_ups.add(top_up(until_us=5_000), ANA)
        lasting = state.top_ups.add(top_up(until_us=None), ANA)
        other = state.top_ups.add(top_up("ads", until_us=9_000), ANA)
        cancelled = state.top_ups.cancel(other.id, BEN)

        assert (short, lasting) == state.top_ups.active(4_999)
        assert (lasting,) == state.top_ups.active(5_000)
        assert 2_000 == cancelled.cancelled_us
        assert (cancelled, lasting, short) == state.top_ups.newest(limit=10)
        assert (lasting,) == state.top_ups.newest(budget="search", limit=1)
        for number in (other.id, 99):
            with pytest.raises(NoSuchName, match=str(number)):
                state.top_ups.cancel(number, BEN)


class AlertContract:
    """Alerts."""

    def test_alerts(self, state):
        """Alerts come newest first, page by page."""
        raised = [state.alerts.append(alert(number)) for number in (1, 2, 3)]

        assert alert(2) == raised[1].alert
        assert tuple(reversed(raised)) == state.alerts.newest(limit=9)
        assert (raised[0],) == state.alerts.newest(before=raised[1].id, limit=9)

    def test_raised_once(self, state):
        """A key raises one alert ever, whatever it says the second time; alerts without a key do not matter."""
        first = state.alerts.raise_once("search/2026-11/80", alert(1))
        again = state.alerts.raise_once("search/2026-11/80", alert(2))
        other = state.alerts.raise_once("search/2026-12/80", alert(3))
        state.alerts.append(alert(4))

        assert first is not None
        assert other is not None
        assert ("search/2026-11/80", None, first.id + 1) == (first.key, again, other.id)
        assert [4, 3, 1] == [one.alert.at_us for one in state.alerts.newest(limit=9)]

    def test_raising_again_changes_nothing(self, state):
        """The second time costs no write: workers are not told of it."""
        state.alerts.raise_once("k", alert(1))
        before = state.version()
        state.alerts.raise_once("k", alert(2))

        assert before == state.version()

    def test_resolved(self, state):
        """An alert is resolved once; the first time stands."""
        raised = state.alerts.append(alert())
        resolved = state.alerts.resolve(raised.id, at_us=50)
        state.alerts.resolve(raised.id, at_us=60)

        assert (50, resolved) == (resolved.resolved_us, state.alerts.newest(limit=1)[0])
        with pytest.raises(NoSuchName, match="99"):
            state.alerts.resolve(99, at_us=1)

    @QUIET
    @given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(-(2**60), 2**60) | st.booleans()))
    def test_data(self, state, data):
        """Details come back as they were given."""
        assert data == state.alerts.append(alert(data=data)).alert.data
        assert data == state.alerts.newest(limit=1)[0].alert.data

    def test_open_ones(self, state):
        """What is not resolved is listed by kind and page by page, and by when it ends by itself."""
        first, second, third = (state.alerts.append(alert(number, ends_us=number * 100)) for number in (1, 2, 3))
        other = state.alerts.append(alert(4, kind="store_down"))
        resolved = state.alerts.resolve(second.id, at_us=50)

        assert (first, third, other) == state.alerts.unresolved(limit=9)
        assert (third,) == state.alerts.unresolved(after=first.id, limit=1)
        assert (other,) == state.alerts.unresolved(kind="store_down", limit=9)
        assert (other, third, first) == state.alerts.newest(limit=9, only_open=True)
        assert (resolved, None) == (state.alerts.get(second.id), state.alerts.get(99))
        assert [(), (first,), (first, third)] == [state.alerts.ended(at_us, limit=9) for at_us in (99, 100, 300)]


class OutboxContract:
    """Deliveries of alerts."""

    def test_queued_with_the_alert(self, state):
        """Whoever an alert is for is told of it, and of its end; what is not raised is queued for nobody."""
        raised = state.alerts.raise_once("k", alert(5), to=("ops", "chat", "ops"))
        state.alerts.raise_once("k", alert(6), to=("late",))
        state.alerts.append(alert(7))
        state.alerts.resolve(raised.id, at_us=50)
        state.alerts.resolve(raised.id, at_us=60)

        assert [("ops", "raised", 5), ("chat", "raised", 5), ("ops", "resolved", 50), ("chat", "resolved", 50)] == [
            (one.channel, one.event, one.next_us) for one in state.outbox.about([raised.id, raised.id + 1])
        ]

    def test_claimed_once(self, state):
        """A delivery that is due is claimed by one, and due again when the claim ends."""
        state.alerts.append(alert(5), to=("ops",))
        number = state.outbox.due("ops", at_us=5)
        first = state.outbox.claim(number, at_us=5, until_us=20)
        second = state.outbox.claim(number, at_us=5, until_us=30)

        assert (1, 20, None) == (first.attempts, first.next_us, second)
        assert [None, None, number, None] == [
            state.outbox.due(channel, at_us=at_us)
            for channel, at_us in (("ops", 4), ("ops", 19), ("ops", 20), ("chat", 20))
        ]
        assert 2 == state.outbox.claim(number, at_us=20, until_us=40).attempts

    def test_delivered(self, state):
        """What arrived is never due again, whatever is said of it later."""
        raised = state.alerts.append(alert(5), to=("ops",))
        number = state.outbox.due("ops", at_us=5)
        state.outbox.claim(number, at_us=5, until_us=20)
        state.outbox.delivered(number, at_us=7)
        state.outbox.failed(number, problem="late", next_us=9)

        assert None is state.outbox.due("ops", at_us=99)
        assert [(7, None, None)] == [
            (one.delivered_us, one.next_us, one.problem) for one in state.outbox.about([raised.id])
        ]

    def test_failed(self, state):
        """What failed is due later, with the reason kept, and never again once it is given up."""
        raised = state.alerts.append(alert(5), to=("ops",))
        number = state.outbox.due("ops", at_us=5)
        state.outbox.failed(number, problem="refused", next_us=30)
        due = [state.outbox.due("ops", at_us=at_us) for at_us in (29, 30)]
        state.outbox.failed(number, problem="refused", next_us=None)

        assert [None, number] == due
        assert None is state.outbox.due("ops", at_us=2**60)
        assert ["refused"] == [one.problem for one in state.outbox.about([raised.id])]
        assert () == state.outbox.about([])


class AuditContract:
    """The audit log and the version."""

    def test_every_change_is_logged(self, state):
        """Each change is one entry: who, when, what, before and after."""
        every_change(state)
        entries = state.audit.newest(limit=99)

        assert [
            ("ana", "key.create", "search-prod", False, True),
            ("ben", "key.change", "search-prod", True, True),
            ("ben", "key.rotate", "search-prod", True, True),
            ("ben", "key.delete", "search-prod", True, False),
            ("ana", "budget.create", "search", False, True),
            ("ben", "budget.change", "search", True, True),
            ("ana", "budget.top_up", "search", False, True),
            ("ben", "budget.top_up.cancel", "search", True, False),
            ("ben", "budget.delete", "search", True, False),
        ] == [
            (one.actor, one.action, one.subject, one.before is not None, one.after is not None)
            for one in reversed(entries)
        ]
        assert [2_000, 1_000] == [entries[0].at_us, entries[-1].at_us]
        assert "answers" == msgspec.json.decode(entries[-1].after)["tags"]["feature"]

    def test_log_holds_no_secret(self, state):
        """Neither secrets nor their hashes are in it."""
        every_change(state)
        text = repr(state.audit.newest(limit=99))

        assert not [one for one in ("one", "two") if secret(one).digest.hex() in text or repr(secret(one)) in text]

    def test_log_pages(self, state):
        """The log is read newest first, by subject if need be, and goes on where a page ended."""
        every_change(state)
        whole = state.audit.newest(limit=99)

        assert whole[3:5] == state.audit.newest(before=whole[2].id, limit=2)
        assert [one for one in whole if one.subject == "search"] == list(state.audit.newest(subject="search", limit=99))

    def test_version_moves_with_every_change(self, state):
        """Each write moves the count of its part, and no read moves any."""
        versions = [state.version()]
        for change in changes(state):
            change()
            state.keys.page(limit=5)
            state.audit.newest(limit=5)
            versions.append(state.version())
        moved = [
            {name for name in ("keys", "rules", "alerts") if getattr(one, name) != getattr(other, name)}
            for one, other in pairwise(versions)
        ]

        assert [{"keys"}] * 4 + [{"rules"}] * 5 + [{"alerts"}] * 3 == moved

    def test_failed_change_leaves_nothing(self, state):
        """What is refused is undone whole: no row, no entry, no version."""
        state.keys.create(SEARCH, secret("one"), ANA)
        before = state.version(), state.audit.newest(limit=9), state.keys.page(limit=9)
        with pytest.raises(NameTaken):
            state.keys.create(SEARCH, secret("two"), BEN)

        assert before == (state.version(), state.audit.newest(limit=9), state.keys.page(limit=9))


def changes(state):
    """Every kind of change, in an order in which each can be made."""
    return (
        lambda: state.keys.create(SEARCH, secret("one"), ANA),
        lambda: state.keys.change(SEARCH, BEN),
        lambda: state.keys.rotate("search-prod", secret("two"), overlap_us=1, author=BEN),
        lambda: state.keys.delete("search-prod", BEN),
        lambda: state.budgets.create(MONTHLY, ANA),
        lambda: state.budgets.change(MONTHLY, BEN),
        lambda: state.top_ups.add(top_up(), ANA),
        lambda: state.top_ups.cancel(1, BEN),
        lambda: state.budgets.delete("search", BEN),
        lambda: state.alerts.append(alert()),
        lambda: state.alerts.raise_once("k", alert()),
        lambda: state.alerts.resolve(1, at_us=5),
    )


def every_change(state) -> None:
    """Make every kind of change."""
    for change in changes(state):
        change()


class ControlContract(KeyContract, BudgetContract, AlertContract, OutboxContract, AuditContract):
    """All of it."""
