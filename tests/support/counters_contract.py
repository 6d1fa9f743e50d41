"""The contract of every `Counters`: subclass `CountersContract` beside a ``fresh`` fixture that makes empty stores.

Workers of one store are asked for by name. All times are the test's own.
"""

from collections.abc import Callable
from typing import Protocol

import pytest

from bursar.counters.protocol import Balance, Counters, Spot
from bursar.policy.claims import Account, Hold, Verdict, bucket_us

S = 1_000_000
START = 1_795_000_000 * S
LEASE = 30 * S
BIG = 2**80 + 1
"""More picodollars than fit into 64 bits, and odd: no floating-point number holds it."""

TEAM = Account("budget/team", limit=100)
ENVELOPE = Account("budget/all", limit=150)
MINUTE = Account("limit/minute", limit=10, span_us=60 * S, idle_us=120 * S)


class Worker(Counters, Protocol):
    """Counters whose every answer is there at once, for tests."""

    def reserve(self, hold: Hold) -> Verdict: ...


class SharedStore(Protocol):
    """One store, as its workers reach it."""

    def worker(self, name: str = "w1") -> Worker: ...

    def close(self) -> None:
        """Let go of everything, without the workers' ending in order."""


Fresh = Callable[[], SharedStore]


def hold(name, *claims, at=START):
    """A hold by its (account, amount) pairs."""
    return Hold(name, at, tuple(account for account, _ in claims), tuple(amount for _, amount in claims))


def balance(worker, account, at=START):
    return worker.balances([account], at_us=at)[0]


def spend(worker, name, account, amount, at=START):
    """Reserve and settle an amount."""
    asked = hold(name, (account, amount), at=at)
    assert worker.reserve(asked).is_granted
    worker.settle(asked, (amount,))


class CountersContract:
    """What gateways rely on."""

    @pytest.fixture
    def store(self, fresh):
        store = fresh()
        yield store
        store.close()

    @pytest.fixture
    def worker(self, store):
        return store.worker()

    def test_all_or_none(self, worker):
        """A hold without room in one account takes none in another, and leaves no trace."""
        verdict = worker.reserve(hold("a", (TEAM, 60), (Account("budget/small", limit=59), 60)))

        assert not verdict.is_granted
        assert verdict.short == (1,)
        assert [0, 0] == [standing.held for standing in verdict.standings]
        assert Balance(0, 0) == balance(worker, TEAM)

    def test_limit_is_the_last_amount(self, worker):
        """Spent and held may come to the limit exactly, and to no more."""
        spend(worker, "a", TEAM, 40)

        assert (100,) == worker.reserve(hold("b", (TEAM, 60))).used
        assert not worker.reserve(hold("c", (TEAM, 1))).is_granted

    def test_refusal_says_how_accounts_stand(self, worker):
        """A refusal tells spent, held and limit of each account, in the order of the claims."""
        spend(worker, "a", TEAM, 40)
        worker.reserve(hold("b", (TEAM, 50), (ENVELOPE, 50)))

        verdict = worker.reserve(hold("c", (ENVELOPE, 11), (TEAM, 11)))

        assert verdict.short == (1,)
        assert [(0, 50, 150), (40, 50, 100)] == [(one.spent, one.held, one.limit) for one in verdict.standings]

    def test_grant_says_what_is_used(self, worker):
        """A grant tells spent and held of each account with this claim, and the limits in force."""
        spend(worker, "a", TEAM, 40)

        verdict = worker.reserve(hold("b", (ENVELOPE, 7), (TEAM, 8), (Account("soft"), 9)))

        assert (7, 48, 9) == verdict.used
        assert (150, 100, None) == verdict.limits

    def test_nothing_is_always_granted(self, worker):
        """A claim of 0 finds room in a full account, whatever its age."""
        full = Account("run", limit=1, max_age_us=5)
        spend(worker, "a", full, 1)
        spend(worker, "b", TEAM, 100)

        assert worker.reserve(hold("c", (full, 0), (TEAM, 0), at=START + 10)).is_granted

    def test_account_without_a_limit(self, worker):
        """It counts and never refuses."""
        watched = Account("soft")

        spend(worker, "a", watched, BIG)

        assert (2 * BIG,) == worker.reserve(hold("b", (watched, BIG))).used

    def test_hold_of_nothing(self, worker):
        """A hold without claims is granted."""
        empty = hold("a")

        assert worker.reserve(empty).is_granted
        worker.settle(empty, ())

    def test_settled_below_the_hold(self, worker):
        """What was held and not used is free again."""
        asked = hold("a", (TEAM, 90))
        worker.reserve(asked)
        worker.settle(asked, (10,))

        assert Balance(10, 0) == balance(worker, TEAM)
        assert worker.reserve(hold("b", (TEAM, 90))).is_granted

    def test_settled_above_the_hold(self, worker):
        """What was used beyond the hold counts, and beyond the limit too."""
        asked = hold("a", (TEAM, 90))
        worker.reserve(asked)
        worker.settle(asked, (120,))

        assert Balance(120, 0) == balance(worker, TEAM)
        assert not worker.reserve(hold("b", (TEAM, 1))).is_granted

    def test_settled_without_a_hold(self, worker):
        """What was admitted unchecked counts, also in an account that nobody knew."""
        worker.settle(hold("a", (TEAM, 90), (ENVELOPE, 0)), (7, 8))

        assert [Balance(7, 0), Balance(8, 0)] == list(worker.balances([TEAM, ENVELOPE], at_us=START))

    def test_account_opened_by_a_settlement_stays(self, worker):
        """What was admitted unchecked is not forgotten before its account has been idle."""
        kept = Account("budget/kept", limit=100, idle_us=3600 * S)
        worker.settle(hold("a", (kept, 90)), (90,))
        for minute in range(1, 50):
            worker.beat(at_us=START + minute * 60 * S)

        assert Balance(90, 0) == balance(worker, kept, at=START + 3000 * S)

    def test_amounts_beyond_64_bits(self, worker):
        """Sums of any size are exact to the picodollar, and so is the comparison with the limit."""
        vast = Account("budget/vast", limit=2 * BIG)
        asked = hold("a", (vast, BIG))
        worker.reserve(asked)

        assert (2 * BIG,) == worker.reserve(hold("b", (vast, BIG))).used
        verdict = worker.reserve(hold("c", (vast, 1)))
        assert (0, 2 * BIG, 2 * BIG) == (
            verdict.standings[0].spent,
            verdict.standings[0].held,
            verdict.standings[0].limit,
        )
        worker.settle(asked, (BIG - 1,))
        assert Balance(BIG - 1, BIG) == balance(worker, vast)
        assert worker.reserve(hold("d", (vast, 1))).is_granted

    @pytest.mark.parametrize("edge", [2**53, 10**12, 10**15, 2**63, 2**64, 10**24])
    def test_edges_of_number_formats(self, worker, edge):
        """One picodollar more than the limit is refused wherever a number format ends."""
        account = Account("budget/edge", limit=edge)
        spend(worker, "a", account, edge - 1)

        assert worker.reserve(hold("b", (account, 2))).short == (0,)
        assert (edge,) == worker.reserve(hold("c", (account, 1))).used
        assert worker.reserve(hold("d", (account, 1))).short == (0,)

    def test_whole_units_that_are_given_back_in_part(self, worker):
        """A store that keeps amounts in two numbers compares them rightly after any release."""
        unit = 10**12
        account = Account("budget/units", limit=2 * unit)
        more, less = hold("a", (account, unit + 5)), hold("b", (account, unit - 5))
        worker.reserve(more)
        worker.reserve(less)
        worker.settle(more, (0,))

        assert worker.reserve(hold("c", (Account(account.name, limit=unit - 4), 1))).is_granted
        assert not worker.reserve(hold("d", (Account(account.name, limit=unit - 4), 1))).is_granted

    def test_windows_are_apart(self, worker):
        """The same account in another calendar window starts from nothing."""
        spend(worker, "a", Account("budget/day", window=1, limit=5), 5)

        assert worker.reserve(hold("b", (Account("budget/day", window=2, limit=5), 5))).is_granted
        assert not worker.reserve(hold("c", (Account("budget/day", window=1, limit=5), 1))).is_granted

    def test_late_settlement_counts_in_its_own_window(self, worker):
        """What was held in a window is spent in that window."""
        old, new = Account("budget/day", window=1, limit=5), Account("budget/day", window=2, limit=5)
        asked = hold("a", (old, 5))
        worker.reserve(asked)
        worker.reserve(hold("b", (new, 1), at=START + 90 * S))
        worker.settle(asked, (4,))

        assert [Balance(4, 0), Balance(0, 1)] == list(worker.balances([old, new], at_us=START + 90 * S))

    def test_names_are_any_text(self, worker):
        """Names are kept apart whatever they hold."""
        names = ["a", "a/1", "1/a", "a\n", "ä", "a'b", '"', "{x}", "a|user=b c", "%", "\x00", "a" * 500]
        accounts = [Account(name, limit=number) for number, name in enumerate(names, start=1)]
        worker.reserve(hold("all", *((one, one.limit) for one in accounts)))

        assert [Balance(0, one.limit) for one in accounts] == list(worker.balances(accounts, at_us=START))

    def test_many_accounts(self, worker):
        """A hold may claim of hundreds of accounts."""
        accounts = [Account(f"budget/{number}", limit=1) for number in range(400)]
        asked = hold("a", *((one, 1) for one in accounts))

        assert worker.reserve(asked).is_granted
        worker.settle(asked, (1,) * 400)
        assert worker.balances(accounts, at_us=START) == [Balance(1, 0)] * 400

    def test_rolling_window_lets_go(self, worker):
        """What was spent counts for the whole window and at most a sixtieth of it longer."""
        spend(worker, "a", MINUTE, 10)
        part = bucket_us(MINUTE.span_us)

        assert not worker.reserve(hold("b", (MINUTE, 1), at=START + 60 * S)).is_granted
        assert worker.reserve(hold("c", (MINUTE, 10), at=START + 60 * S + part)).is_granted

    def test_rolling_window_says_when(self, worker):
        """A refusal names the instant from which on there is room, and no earlier one."""
        spend(worker, "a", MINUTE, 4)
        spend(worker, "b", MINUTE, 6, at=START + 20 * S)

        verdict = worker.reserve(hold("c", (MINUTE, 5), at=START + 30 * S))

        free_us = verdict.standings[0].free_us
        assert free_us == START + 81 * S
        assert not worker.reserve(hold("d", (MINUTE, 5), at=free_us - 1)).is_granted
        assert worker.reserve(hold("e", (MINUTE, 5), at=free_us)).is_granted

    def test_rolling_window_full_of_holds(self, worker):
        """Nobody can foresee when what is held comes free."""
        worker.reserve(hold("a", (MINUTE, 10)))

        assert worker.reserve(hold("b", (MINUTE, 1))).standings[0].free_us is None

    def test_settled_after_the_rolling_window(self, worker):
        """What belongs to a part that the window has passed does not count any more."""
        asked = hold("a", (MINUTE, 10))
        worker.reserve(asked)
        worker.reserve(hold("b", (MINUTE, 0), at=START + 90 * S))
        worker.settle(asked, (10,))

        assert Balance(0, 0) == balance(worker, MINUTE, at=START + 90 * S)

    def test_limit_of_the_first_claim(self, worker):
        """Where an account keeps its limit, the first claim's stands; the verdict names it."""
        first = Account("run/1", limit=10, keeps_limit=True)
        later = Account("run/1", limit=1000, keeps_limit=True)
        spend(worker, "a", first, 6)

        assert (10,) == worker.reserve(hold("b", (later, 4))).limits
        assert 10 == worker.reserve(hold("c", (later, 1))).standings[0].limit

    def test_changed_limit(self, worker):
        """Elsewhere the limit of the claim at hand counts: a top-up makes room, a cut takes it."""
        spend(worker, "a", TEAM, 100)

        assert worker.reserve(hold("b", (Account(TEAM.name, limit=200), 100))).is_granted
        assert not worker.reserve(hold("c", (TEAM, 1))).is_granted

    def test_refused_claim_opens_nothing(self, worker):
        """An account begins with its first granted claim: neither limit nor age come from a refused one."""
        worker.reserve(hold("a", (Account("run/1", limit=5, keeps_limit=True, max_age_us=S), 6)))

        verdict = worker.reserve(
            hold("b", (Account("run/1", limit=50, keeps_limit=True, max_age_us=S), 6), at=START + 2 * S)
        )
        assert (50,) == verdict.limits

    def test_greatest_age(self, worker):
        """From its first claim on, an account has room for as long as it may."""
        run = Account("run/1", limit=100, max_age_us=10 * S)
        spend(worker, "a", run, 1)

        assert worker.reserve(hold("b", (run, 1), at=START + 10 * S)).is_granted
        verdict = worker.reserve(hold("c", (run, 1), at=START + 10 * S + 1))
        assert verdict.short == (0,)
        assert START == verdict.standings[0].opened_us

    def test_seed(self, worker):
        """What was spent before counts, whether the account is in use or not."""
        spend(worker, "a", TEAM, 40)
        worker.seed({Spot(TEAM.name): 50, Spot(ENVELOPE.name): 7})

        assert [Balance(90, 0), Balance(7, 0)] == list(worker.balances([TEAM, ENVELOPE], at_us=START))
        assert (98,) == worker.reserve(hold("b", (TEAM, 8))).used
        assert (8,) == worker.reserve(hold("c", (ENVELOPE, 1))).used

    def test_seed_replaces(self, worker):
        """A later seed replaces the earlier one; what it does not name is 0; what was counted since stays."""
        worker.seed({Spot(TEAM.name): 50, Spot(ENVELOPE.name): BIG})
        spend(worker, "a", TEAM, 5)
        spend(worker, "b", Account(ENVELOPE.name), 5)
        worker.seed({Spot(TEAM.name): 51})

        assert [Balance(56, 0), Balance(5, 0)] == list(worker.balances([TEAM, ENVELOPE], at_us=START))

    def test_seed_of_a_rolling_window(self, worker):
        """It is stated by part, and leaves the window like anything else."""
        part = bucket_us(MINUTE.span_us)
        worker.seed({Spot(MINUTE.name, 0, START // part): 4, Spot(MINUTE.name, 0, START // part - 61): 100})

        assert Balance(4, 0) == balance(worker, MINUTE)
        assert (5,) == worker.reserve(hold("a", (MINUTE, 1))).used
        worker.seed({Spot(MINUTE.name, 0, START // part): 9})
        assert Balance(9, 1) == balance(worker, MINUTE)
        assert Balance(0, 1) == balance(worker, MINUTE, at=START + 62 * S)

    def test_seed_of_many(self, worker):
        """As many accounts as a company has keys."""
        worker.seed({Spot(f"budget/{number}"): number for number in range(5000)})

        assert Balance(4321, 0) == balance(worker, Account("budget/4321"))

    def test_balance_of_an_unknown_account(self, worker):
        """Nothing was spent, and asking does not open it."""
        run = Account("run/9", limit=5, keeps_limit=True)

        assert Balance(0, 0) == balance(worker, run)
        assert (7,) == worker.reserve(hold("a", (Account("run/9", limit=7, keeps_limit=True), 7))).limits

    def test_idle_accounts_are_forgotten(self, worker):
        """An account that nobody asks for is forgotten when it has been idle for as long as it says; others stay."""
        run = Account("run/1", limit=9, keeps_limit=True, idle_us=100 * S)
        for account in (run, TEAM):
            spend(worker, f"a{account.name}", account, 5)
        worker.beat(at_us=START + 100 * S)
        assert Balance(5, 0) == balance(worker, run, at=START + 100 * S)
        worker.beat(at_us=START + 1000 * S)

        later = START + 1000 * S
        assert [Balance(0, 0), Balance(5, 0)] == list(worker.balances([run, TEAM], at_us=later))
        assert (90,) == worker.reserve(hold("b", (Account("run/1", limit=90, keeps_limit=True), 6), at=later)).limits

    def test_account_that_is_refused_is_not_idle(self, worker):
        """Claims keep an account known, granted or not: a run that keeps asking does not start anew."""
        run = Account("run/1", limit=5, idle_us=100 * S)
        spend(worker, "a", run, 5)
        for second in range(0, 1000, 50):
            assert not worker.reserve(hold(f"b{second}", (run, 1), at=START + second * S)).is_granted
            worker.beat(at_us=START + second * S)

    def test_account_with_a_hold_is_not_idle(self, worker):
        """What is held stays known for as long as it is."""
        run = Account("run/1", limit=5, idle_us=100 * S)
        asked = hold("a", (run, 5))
        worker.reserve(asked)
        for second in range(0, 1000, 20):
            worker.beat(at_us=START + second * S)

        assert Balance(0, 5) == balance(worker, run, at=START + 1000 * S)

    def test_account_forgotten_under_a_hold_of_nothing(self, worker):
        """What was used of an account in which nothing was held counts, forgotten or not."""
        run = Account("run/1", limit=5, idle_us=100 * S)
        asked = hold("a", (run, 0), (TEAM, 3))
        worker.reserve(asked)
        worker.beat(at_us=START)
        worker.beat(at_us=START + 1000 * S)
        worker.settle(asked, (4, 2))

        later = START + 1000 * S
        assert [Balance(4, 0), Balance(2, 0)] == list(worker.balances([run, TEAM], at_us=later))

    def test_forgotten_seed_stays(self, worker):
        """What was stated about an account outlives its being idle."""
        run = Account("run/1", idle_us=100 * S)
        worker.seed({Spot(run.name): 7})
        spend(worker, "a", run, 1)
        worker.beat(at_us=START)
        worker.beat(at_us=START + 1000 * S)

        assert Balance(7, 0) == balance(worker, run, at=START + 1000 * S)

    def test_reserving_again_under_the_same_id(self, worker):
        """A hold whose id is free again after its settlement is a new one."""
        spend(worker, "a", TEAM, 10)
        spend(worker, "a", TEAM, 10)

        assert Balance(20, 0) == balance(worker, TEAM)

    def test_workers_share_accounts(self, store):
        """What one worker holds or spent, all count."""
        first, second = store.worker("w1"), store.worker("w2")
        spend(first, "a", TEAM, 30)
        first.reserve(hold("b", (TEAM, 30)))

        assert (100,) == second.reserve(hold("c", (TEAM, 40))).used
        assert not first.reserve(hold("d", (TEAM, 1))).is_granted
        assert Balance(30, 70) == balance(first, TEAM) == balance(second, TEAM)

    def test_workers_share_seeds(self, store):
        """What one worker states, all count."""
        store.worker("w1").seed({Spot(TEAM.name): 99})

        assert not store.worker("w2").reserve(hold("a", (TEAM, 2))).is_granted

    def test_dead_workers_holds_return(self, store):
        """What a worker held that has been silent for a lease is free at another's next beat, and only that."""
        dead, alive = store.worker("w1"), store.worker("w2")
        for number, worker in enumerate((dead, alive)):
            worker.beat(at_us=START)
            worker.reserve(hold(f"h{number}", (TEAM, 40), at=START))
        alive.beat(at_us=START + LEASE)
        assert Balance(0, 80) == balance(alive, TEAM)
        alive.beat(at_us=START + LEASE + 1)

        assert Balance(0, 40) == balance(alive, TEAM)

    def test_dead_worker_that_never_beat(self, store):
        """A worker that died before its first beat holds nothing for longer than a lease."""
        store.worker("w1").reserve(hold("a", (TEAM, 40)))
        store.worker("w2").beat(at_us=START + LEASE + 1)

        assert Balance(0, 0) == balance(store.worker("w2"), TEAM)

    def test_stalled_worker_comes_back(self, store):
        """A worker whose lease has ended settles what it used, and holds anew like any other."""
        stalled, alive = store.worker("w1"), store.worker("w2")
        asked = hold("a", (TEAM, 40))
        stalled.beat(at_us=START)
        stalled.reserve(asked)
        late = START + 2 * LEASE
        alive.beat(at_us=late)
        stalled.settle(asked, (25,))
        stalled.reserve(hold("b", (TEAM, 10), at=late))
        alive.beat(at_us=late + LEASE)

        assert Balance(25, 10) == balance(alive, TEAM)
        alive.beat(at_us=late + LEASE + 1)
        assert Balance(25, 0) == balance(alive, TEAM)

    def test_close_returns_holds(self, store):
        """A worker that ends holds nothing any more; what it spent stays."""
        ending, other = store.worker("w1"), store.worker("w2")
        spend(ending, "a", TEAM, 3)
        ending.reserve(hold("b", (TEAM, 40)))
        other.reserve(hold("c", (TEAM, 20)))
        ending.close()

        assert Balance(3, 20) == balance(other, TEAM)

    def test_no_trouble(self, worker):
        """A store that answers is no trouble."""
        worker.beat(at_us=START)

        assert worker.trouble is None
