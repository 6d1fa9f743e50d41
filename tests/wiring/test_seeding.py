"""Seeding in one process: while the ledger is away, when counters lose what they counted, and for those who follow."""

import asyncio
from contextlib import contextmanager

import pytest
from msgspec import structs

from bursar.clock import SystemClock
from bursar.config import Budget, parse_config
from bursar.counters.memory import MemoryBook
from bursar.errors import LedgerUnavailable
from bursar.policy.claims import Account, Hold
from bursar.policy.rules import Rules
from bursar.policy.stems import RUNS
from bursar.wiring.counted import COUNTED_FILE, Counted
from bursar.wiring.following import Follower
from bursar.wiring.seeding import Seeder, mark_of
from support.gateway import GatewayThread
from support.ledger_records import facts, open_ledger, settled, write_spool

CONFIG = '[[budgets]]\nname = "b"\nlimit_usd = "1"\nperiod = "total"\n'


class Away:
    """A ledger that is away until it is back."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.is_away = True

    def ask(self, question):
        if self.is_away:
            raise LedgerUnavailable("the ledger is away")
        return self.ledger.ask(question)

    def close(self):
        """Nothing is held."""


@pytest.fixture
def gateway(tmp_path):
    """A gateway with one budget."""
    with GatewayThread(CONFIG, tmp_path / "gateway") as gateway:
        yield gateway


@pytest.fixture
def ledger(tmp_path):
    """A ledger in which $0.000000001 was spent."""
    write_spool(tmp_path / "ledger", "w", [settled(1)])
    with open_ledger(tmp_path / "ledger") as ledger:
        yield ledger


@contextmanager
def running(gateway, make):
    """A seeder or follower at work."""

    async def start():
        seeding = make(gateway.gateway)
        return asyncio.get_running_loop().create_task(seeding.run())

    task = gateway.call(start)
    yield
    gateway.call(task.cancel)


def spent(gateway) -> int:
    """What the budget's account holds."""
    (rule,) = gateway.gateway.snapshot.rules.by_name.values()
    (balance,) = gateway.gateway.counters.balances([Account(rule.stem)], at_us=SystemClock().now_us())
    return balance.spent


def test_ledger_away(gateway, ledger):
    """While the ledger is away, budgets are blind and say why; when it is back they are not."""
    away = Away(ledger)
    seeded = gateway.gateway.seeded
    with running(gateway, lambda one: Seeder(one, away, Counted(SystemClock().now_us()))):
        gateway.until(lambda: seeded.problem is not None)
        blind = (seeded.is_missing_budgets, gateway.gateway.trouble(), spent(gateway))
        away.is_away = False
        gateway.until(lambda: not seeded.missing)

    assert (True, ["still reading the ledger: the ledger is away"], 0) == blind
    assert (None, [], 1000) == (seeded.problem, gateway.gateway.trouble(), spent(gateway))


def test_lost_counts(gateway, ledger):
    """Counters that lost what they had counted get it back from the ledger, with what was settled since the start."""
    seeded, counters = gateway.gateway.seeded, gateway.gateway.counters
    digest = gateway.gateway.snapshot.digest
    write_spool(
        ledger.layout.data_dir,
        "x",
        [settled(about=facts(2, at_us=SystemClock().now_us(), config=digest))],
    )
    with running(gateway, lambda one: Seeder(one, ledger, Counted(SystemClock().now_us() - 60_000_000))):
        gateway.until(lambda: not seeded.missing)
        counted_elsewhere = spent(gateway)
        counters._book = MemoryBook(lease_us=10**9)
        gateway.until(lambda: spent(gateway) == 2000)
        gateway.until(lambda: not seeded.missing)

    assert 1000 == counted_elsewhere


@pytest.mark.parametrize("budgets", ["", CONFIG + '[[budgets]]\nname = "c"\nlimit_usd = "1"\nperiod = "total"\n'])
def test_changed_budgets(gateway, ledger, budgets):
    """Whether budgets come or go, those that stay hold what they held: nothing is counted again."""
    config = parse_config(budgets, source="test")
    station, counted = gateway.gateway, Counted(SystemClock().now_us() - 60_000_000)
    before = station.snapshot
    rule = before.rules.by_name["b"]
    after = structs.replace(before, rules=Rules(budgets=config.budgets), digest="other")
    began_us = counted.began_us
    both = [rule.stem, *sorted(after.rules.stems - {rule.stem})]
    coming = []

    async def change():
        seeder = Seeder(station, ledger, counted)
        task = asyncio.get_running_loop().create_task(seeder.run())
        while station.seeded.missing:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        station.counters.settle(Hold("x", SystemClock().now_us(), (Account(rule.stem),), (0,)), (500,))
        await seeder.prepare(after)
        await seeder._refresh()
        stood = station.counters.balances([Account(one) for one in both], at_us=SystemClock().now_us())
        coming.extend(balance.spent for balance in stood)
        station.snapshot = after
        seeder.changed()
        await asyncio.sleep(0.1)
        task.cancel()

    gateway.call(change)
    (balance,) = station.counters.balances([Account(rule.stem)], at_us=SystemClock().now_us())

    assert (began_us, [1500, 1000][: len(both)]) == (counted.began_us, coming)
    assert (1500 if budgets else 500) == balance.spent
    assert frozenset() == station.seeded.missing


def test_followers(gateway, ledger):
    """Whoever shares a store is blind until the one that seeds has done so, and again when the store is emptied."""
    seeded = gateway.gateway.seeded
    with running(gateway, Follower):
        gateway.until(lambda: seeded.problem is not None)
        before = seeded.is_missing_budgets
        with GatewayThread(CONFIG, ledger.layout.data_dir / "other") as other:
            other.gateway.counters = gateway.gateway.counters
            with running(other, lambda one: Seeder(one, ledger, Counted(SystemClock().now_us()))):
                gateway.until(lambda: not seeded.missing)
        gateway.gateway.counters._book = MemoryBook(lease_us=10**9)
        gateway.until(lambda: seeded.is_missing_budgets)

    assert before
    assert {RUNS} < seeded.missing


def test_counted_outlives_its_worker(tmp_path):
    """What is kept beside shared counters is read again, unless it is about counters before them."""
    path = tmp_path / COUNTED_FILE
    first = Counted(10, path)
    first.add("one", frozenset({"a"}))
    first.add("two", frozenset({"a", "b"}))
    again, later = Counted(10, path), Counted(11, path)
    again.begin_again(20)

    assert (("one", "two"), ("two",), ()) == tuple(again.digests(stem) for stem in "abc")
    assert ((), 11) == (later.digests("a"), later.began_us)
    assert (20, ("one", "two")) == (Counted(10, path).began_us, Counted(10, path).digests("a"))


def test_damaged_file(tmp_path, caplog):
    """A file that cannot be read is taken for none, which counts too much, not too little, and is said."""
    path = tmp_path / COUNTED_FILE
    path.write_text("{")

    assert () == Counted(10, path).digests("a")
    assert "budgets count too much until their periods end" in caplog.text


def test_marks():
    """Sets of budgets have the same mark when they count the same."""

    def mark(**terms):
        return mark_of(Rules(budgets=[Budget(name="b", **{"limit_usd": "1"} | terms)]))

    assert mark() == mark(limit_usd="2")
    assert mark() != mark(match={"team": "a"})
