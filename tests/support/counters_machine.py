"""Any interleaving of what workers do to counters, against the plainest possible model: lists of who did what.

`machine_of` makes the test case for one kind of store.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bursar.counters.protocol import Spot
from bursar.policy.claims import Account, Hold, bucket_us
from support.counters_contract import BIG, LEASE, START, Fresh, S

DAY = 100 * S
"""Days are short here, so that examples see several."""

TEAM = Account("budget/team", limit=100)
ENVELOPE = Account("budget/all", limit=150)
WATCHED = Account("budget/watched")
VAST = Account("budget/vast", limit=2 * BIG)
MINUTE = Account("limit/minute", limit=100, span_us=60 * S, idle_us=120 * S)
STEADY = (TEAM, ENVELOPE, WATCHED, VAST, MINUTE)

AMOUNTS = st.one_of(st.integers(0, 60), st.sampled_from([0, 1, 99, 100, 101, BIG, 2 * BIG]))
PAUSES = st.sampled_from([1, S, 7 * S, LEASE // 2, LEASE + 1, 61 * S, DAY])


def accounts_at(at_us, run_limit):
    """Every account that a request may claim of at an instant."""
    day = Account("budget/day", window=at_us - at_us % DAY, limit=80, idle_us=2 * DAY)
    run = Account("run/1", limit=run_limit, keeps_limit=True, max_age_us=90 * S)
    return (*STEADY, day, run)


@dataclass
class Book:
    """What a model knows of one account: every spend ever, and who holds what."""

    limit: int | None
    opened_us: int
    spends: list[tuple[int, int]] = field(default_factory=list)
    holds: dict[str, int] = field(default_factory=dict)


class Model:
    """Counters without any cleverness."""

    def __init__(self):
        self.books = {}
        self.seeds = {}
        self.held_by = {}
        self.alive_until_us = {}
        self.excess = {}
        """By account, what it came to beyond what holds had announced."""

    def book(self, account, at_us):
        return self.books.get((account.name, account.window)) or Book(account.limit, at_us)

    def open(self, account, at_us):
        return self.books.setdefault((account.name, account.window), Book(account.limit, at_us))

    def spent(self, account, at_us):
        spends = list(self.book(account, at_us).spends)
        part = bucket_us(account.span_us)
        for spot, amount in self.seeds.items():
            if (spot.account, spot.window) == (account.name, account.window):
                spends.append((spot.bucket * part, amount))
        oldest = (at_us - account.span_us) // part if account.span_us else -1
        return sum(amount for spent_us, amount in spends if spent_us // part >= oldest)

    def held(self, account):
        return sum(self.book(account, 0).holds.values())

    def limit(self, account):
        return self.book(account, 0).limit if account.keeps_limit else account.limit

    def used(self, account, amount, at_us):
        return self.spent(account, at_us) + self.held(account) + amount

    def is_short(self, account, amount, at_us):
        book, limit = self.book(account, at_us), self.book(account, at_us).limit
        if not account.keeps_limit:
            limit = account.limit
        is_old = account.max_age_us is not None and at_us - book.opened_us > account.max_age_us
        return bool(amount) and (is_old or (limit is not None and self.used(account, amount, at_us) > limit))

    def grant(self, worker, hold):
        if self.alive_until_us.get(worker, -1) < hold.at_us:
            self.alive_until_us[worker] = hold.at_us + LEASE
        self.held_by[hold.id] = worker
        for account, amount in zip(hold.accounts, hold.amounts, strict=True):
            self.open(account, hold.at_us).holds[hold.id] = amount

    def release(self, hold_id):
        for book in self.books.values():
            book.holds.pop(hold_id, None)
        return self.held_by.pop(hold_id, None) is not None

    def settle(self, hold, amounts):
        was_held = self.release(hold.id)
        for account, amount, held in zip(hold.accounts, amounts, hold.amounts, strict=True):
            if not amount:
                continue
            self.open(account, hold.at_us).spends.append((hold.at_us, amount))
            self.exceed(account, amount - held if was_held else amount)

    def exceed(self, account, amount):
        key = (account.name, account.window)
        self.excess[key] = self.excess.get(key, 0) + max(0, amount)

    def beat(self, worker, at_us):
        self.alive_until_us[worker] = at_us + LEASE
        for name in [one for one, until_us in self.alive_until_us.items() if until_us < at_us]:
            self.bury(name)

    def bury(self, worker):
        self.alive_until_us.pop(worker, None)
        for hold_id in [one for one, holder in self.held_by.items() if holder == worker]:
            self.release(hold_id)


class CountersMachine(RuleBasedStateMachine):
    """Several workers, one store, one model; `fresh` is set by `machine_of`."""

    fresh: Fresh

    @initialize()
    def begin(self):
        self.store = type(self).fresh()
        self.model = Model()
        self.now = START
        self.workers = {}
        self.open_holds = []
        self.serial = 0
        for _ in range(2):
            self.begin_worker()

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def begin_worker(self):
        self.serial += 1
        name = f"w{self.serial}"
        self.workers[name] = self.store.worker(name)

    @rule(pause=PAUSES)
    def wait(self, pause):
        self.now += pause

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), run_limit=st.sampled_from([30, 300]))
    def reserve(self, data, run_limit):
        name = data.draw(st.sampled_from(sorted(self.workers)))
        pool = accounts_at(self.now, run_limit)
        chosen = data.draw(st.lists(st.sampled_from(range(len(pool))), unique=True, min_size=1))
        accounts = tuple(pool[one] for one in chosen)
        amounts = tuple(data.draw(st.lists(AMOUNTS, min_size=len(chosen), max_size=len(chosen))))
        self.serial += 1
        hold = Hold(f"h{self.serial}", self.now, accounts, amounts)
        claims = list(zip(accounts, amounts, strict=True))
        short = tuple(at for at, claim in enumerate(claims) if self.model.is_short(*claim, self.now))

        verdict = self.workers[name].reserve(hold)

        assert short == verdict.short
        if short:
            standings = [(one.spent, one.held, one.limit) for one in verdict.standings]
            assert standings == [
                (self.model.spent(one, self.now), self.model.held(one), self.model.limit(one)) for one in accounts
            ]
        else:
            assert tuple(self.model.used(*claim, self.now) for claim in claims) == verdict.used
            self.model.grant(name, hold)
            assert tuple(map(self.model.limit, accounts)) == verdict.limits
            self.open_holds.append((name, hold))

    @precondition(lambda self: self.open_holds)
    @rule(data=st.data())
    def settle(self, data):
        name, hold = self.open_holds.pop(data.draw(st.integers(0, len(self.open_holds) - 1)))
        amounts = tuple(data.draw(st.integers(0, amount)) for amount in hold.amounts)
        self.settle_as(name, hold, amounts)

    @precondition(lambda self: self.open_holds)
    @rule(data=st.data())
    def settle_for_more(self, data):
        name, hold = self.open_holds.pop(data.draw(st.integers(0, len(self.open_holds) - 1)))
        self.settle_as(name, hold, tuple(data.draw(AMOUNTS) for _ in hold.amounts))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), amount=st.integers(0, 20))
    def settle_unchecked(self, data, amount):
        self.serial += 1
        pool = accounts_at(self.now, 30)
        hold = Hold(f"h{self.serial}", self.now, pool, (amount,) * len(pool))
        self.settle_as(data.draw(st.sampled_from(sorted(self.workers))), hold, hold.amounts)

    def settle_as(self, name, hold, amounts):
        """Settle as the worker that reserved; one that died never does."""
        if name in self.workers:
            self.workers[name].settle(hold, amounts)
            self.model.settle(hold, amounts)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def beat(self, data):
        name = data.draw(st.sampled_from(sorted(self.workers)))
        self.workers[name].beat(at_us=self.now)
        self.model.beat(name, self.now)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data):
        del self.workers[data.draw(st.sampled_from(sorted(self.workers)))]

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def end(self, data):
        name = data.draw(st.sampled_from(sorted(self.workers)))
        self.workers.pop(name).close()
        self.model.bury(name)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def seed(self, data):
        spots = {}
        for account in accounts_at(self.now, 30):
            part = bucket_us(account.span_us)
            bucket = (self.now - data.draw(st.integers(0, 70)) * S) // part if account.span_us else 0
            spots[Spot(account.name, account.window, bucket)] = data.draw(st.integers(0, 50))
            self.model.exceed(account, 50)
        self.workers[data.draw(st.sampled_from(sorted(self.workers)))].seed(spots)
        self.model.seeds = spots

    @invariant()
    def balances_are_the_models(self):
        if not getattr(self, "workers", None):
            return
        accounts = accounts_at(self.now, 30)
        for worker in list(self.workers.values())[:1]:
            found = [(one.spent, one.held) for one in worker.balances(accounts, at_us=self.now)]
            assert [(self.model.spent(one, self.now), self.model.held(one)) for one in accounts] == found

    @invariant()
    def limits_hold(self):
        """Spent and held exceed a limit by no more than what nobody had asked for."""
        if not hasattr(self, "model"):
            return
        for account in accounts_at(self.now, 30):
            limit = self.model.limit(account)
            if limit is not None:
                used = self.model.used(account, 0, self.now)
                assert used <= limit + self.model.excess.get((account.name, account.window), 0)

    def teardown(self):
        """Once every lease has ended, nothing is held."""
        if not hasattr(self, "store"):
            return
        late = self.now + LEASE + 1
        last = self.store.worker("last")
        last.beat(at_us=late)
        found = last.balances(accounts_at(self.now, 30), at_us=late)
        self.store.close()
        assert {0} == {one.held for one in found}


def machine_of(fresh: Fresh) -> type[RuleBasedStateMachine]:
    """The state machine of one kind of store."""
    return type("Machine", (CountersMachine,), {"fresh": staticmethod(fresh)})
