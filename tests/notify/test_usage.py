"""Alerts about what the ledger's last day shows."""

import asyncio

import pytest

from bursar.events import PriceStatus
from bursar.money import Pico
from bursar.notify.usage import DAY_US, Usage
from support.alerting import AskedLedger
from support.ledger_records import START_US, facts, open_ledger, settled, unpriced, write_spool

CENT = 10**10


class Day:
    """A ledger, what it was written, and its looks."""

    def __init__(self, folder, clock, desk, *, percent=90) -> None:
        self.folder, self.clock, self.desk, self.percent = folder, clock, desk, percent
        self.files = 0
        self.ledger = open_ledger(folder)

    def write(self, *records) -> None:
        """Let a worker write records and end."""
        self.files += 1
        write_spool(self.folder, f"w{self.files}", records)

    def look(self) -> None:
        """Look once."""
        usage = Usage(
            AskedLedger(self.ledger),
            self.desk.control.alerts,
            self.clock,
            tagged_percent=lambda: self.percent,
            audience=lambda _kind: ("ops",),
        )
        asyncio.run(usage.look())

    def subjects(self, *, only_open=False) -> list[str]:
        """What was raised about which subject."""
        return sorted(one.alert.subject for one in self.desk.control.alerts.newest(limit=99, only_open=only_open))


@pytest.fixture
def day(tmp_path, clock, desk):
    """A day of an empty ledger; it is noon of 2 November."""
    clock.us = START_US + DAY_US
    made = Day(tmp_path / "ledger", clock, desk())
    yield made
    made.ledger.close()


def about(number: int, *, untagged: str | None = None, **changes):
    """Facts of a call, which may lack tags."""
    tags = (("untagged", untagged),) if untagged else ()
    return facts(number, at_us=START_US + 1_000_000 + number, tags=tags, **changes)


def test_unpriced_model(day):
    """A model in use without a price is told of once, however often it is used; models with one are not."""
    day.write(unpriced(1, about=about(1, card=None, model="new-model")), settled(2, about=about(2)))
    day.look()
    day.write(unpriced(3, about=about(3, card=None, model="new-model")))
    day.look()
    (told,) = day.desk.raised()

    assert ("unpriced_usage", "openai/new-model") == (told.alert.kind, told.alert.subject)
    assert "what 1 attempts of the last 24 hours cost is unknown" in told.alert.message
    assert ["ops"] == [one.channel for one in day.desk.control.outbox.about([told.id])]


def test_unknown_usage_is_no_missing_price(day):
    """An answer whose usage nobody knows has a price all the same."""
    day.write(settled(1, about=about(1), price_status=PriceStatus.UNPRICED, cost=None, usage=(), lines=()))
    day.look()

    assert [] == day.subjects()


def test_not_used_any_more(day, clock):
    """A day after its last use without a price it is over, and comes up again when it is used again."""
    day.write(unpriced(1, about=about(1, card=None, model="new-model")))
    day.look()
    clock.us += DAY_US
    day.look()
    closed = day.subjects(only_open=True)
    day.write(unpriced(2, about=facts(2, at_us=clock.us - 1, card=None, model="new-model")))
    day.look()

    assert ([], ["openai/new-model"], 2) == (closed, day.subjects(only_open=True), len(day.subjects()))


@pytest.mark.parametrize(("percent", "is_told"), [(90, True), (80, False), (81, True), (0, False)])
def test_untagged_spend(day, percent, is_told):
    """Spend that lacks tags is told of when more of it does than is allowed."""
    day.percent = percent
    day.write(
        settled(1, about=about(1), cost=Pico(80 * CENT)),
        settled(2, about=about(2, untagged="team"), cost=Pico(20 * CENT)),
    )
    day.look()

    assert (["tags"] if is_told else []) == day.subjects()
    if is_told:
        assert "80 % of the spend of the last 24 hours" in day.desk.raised()[0].alert.message
        assert ("0.20", "1.00") == tuple(day.desk.raised()[0].alert.data[name] for name in ("untagged_usd", "cost_usd"))


def test_nothing_spent(day):
    """Where nothing was spent, nothing lacks tags."""
    day.look()

    assert [] == day.subjects()


def test_coverage_recovers(day):
    """Once enough is tagged the alert is over."""
    day.write(settled(1, about=about(1, untagged="team"), cost=Pico(CENT)))
    day.look()
    before = day.subjects(only_open=True)
    day.write(settled(2, about=about(2), cost=Pico(99 * CENT)))
    day.look()

    assert (["tags"], []) == (before, day.subjects(only_open=True))
