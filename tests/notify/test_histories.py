"""How fast runs used to be, read from a real ledger."""

import asyncio

import pytest

from bursar.config import Run
from bursar.events import Principal
from bursar.money import Pico
from bursar.notify.histories import EVERY_US, Histories
from bursar.policy.runs import Task
from support.alerting import AskedLedger
from support.ledger_records import START_US, facts, open_ledger, settled, write_spool

CENT = 10**10
PART_US = 300_000_000
RULE = Run(velocity_factor=4.0, velocity_floor_usd="0.01")


def attempts(parts: int, *, kind="review", cost=CENT):
    """One attempt of a run in each of so many parts of five minutes."""
    for number in range(parts):
        about = facts(number, at_us=START_US + number * PART_US, task="t", task_type=kind, principal=Principal())
        yield settled(number, about=about, cost=Pico(cost))


@pytest.fixture
def ledger(tmp_path):
    """A ledger with an hour and more of one type's runs, and less of another's."""
    write_spool(tmp_path, "w1", [*attempts(20), *attempts(11, kind="plan", cost=2 * CENT)])
    with open_ledger(tmp_path) as opened:
        yield AskedLedger(opened)


def histories(ledger, clock, taken: list, *, wanted=True) -> Histories:
    """Histories that hand what they read to a list."""
    return Histories(ledger, clock, is_wanted=lambda: wanted, renew=taken.append)


def test_read(tmp_path, clock):
    """A type's velocity is taken from an hour of its runs at least."""
    write_spool(tmp_path, "w1", attempts(20))
    write_spool(tmp_path, "w2", [])
    taken: list = []
    with open_ledger(tmp_path) as opened:
        asyncio.run(histories(AskedLedger(opened), clock, taken).look())

    assert [{"review": CENT}] == taken


def test_too_little(tmp_path, clock):
    """Less than an hour of a type's runs is no history."""
    write_spool(tmp_path, "w1", attempts(11))
    taken: list = []
    with open_ledger(tmp_path) as opened:
        asyncio.run(histories(AskedLedger(opened), clock, taken).look())

    assert [{}] == taken


def test_asked_now_and_then(ledger, clock):
    """The ledger is asked every ten minutes, and not at all where no rule wants to know."""
    taken, unwanted = [], []
    often, never = histories(ledger, clock, taken), histories(ledger, clock, unwanted, wanted=False)

    async def look() -> None:
        for pause_us in (0, 1, EVERY_US - 2, 1):
            clock.us += pause_us
            await often.look()
            await never.look()

    asyncio.run(look())

    assert ([2, 0], 2) == ([len(taken), len(unwanted)], len(ledger.asked))


def test_run_that_runs_away(ledger, clock, desk):
    """A run that suddenly spends twenty times what the ledger knows of its type is warned, downgraded, stopped."""
    one = desk(runs=[RULE])
    asyncio.run(
        Histories(
            ledger,
            clock,
            is_wanted=lambda: True,
            renew=lambda found: setattr(one, "rules", one.rules.with_velocities(found)),
        ).look()
    )
    wild = Task(id="wild", scope="s", type="review", budget=None, depth=0, fingerprint="")
    slow = Task(id="slow", scope="s", type="review", budget=None, depth=0, fingerprint="")
    granted = []
    for _ in range(10):
        granted.append(one.spend(2 * CENT, task=wild))
        one.look()
    slowly = [one.spend(CENT, task=slow)]
    for _ in range(20):
        clock.us += PART_US
        slowly.append(one.spend(CENT, task=slow))
        one.look()

    assert [True] * 6 + [False] * 4 == granted
    assert all(slowly)
    assert [("wild", "run_warning"), ("wild", "run_warning"), ("wild", "run_limit")] == [
        (record.alert.subject, record.alert.kind) for record in one.raised()
    ]
