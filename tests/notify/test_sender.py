"""The outbox, emptied over real connections."""

import asyncio

import pytest

from bursar.config import Webhook
from bursar.control.open import open_control
from bursar.control.values import Alert
from bursar.gateway.tasks import TaskGroup
from bursar.notify import post
from bursar.notify.finding import finding
from bursar.notify.sender import CLAIM_US, GIVEN_UP_US, Sender, audience_of, pause_after
from bursar.notify.webhook import Hook, WebhookChannel
from bursar.upstream import ClientSettings, UpstreamClient
from support.ledger_records import START_US, FixedClock
from support.provider import answer
from support.receiver import receiving

S = 1_000_000


class Office:
    """A sender over a control state, with webhooks by name; sends when told to."""

    def __init__(self, folder, clock: FixedClock, hooks: dict[str, str]) -> None:
        self.clock = clock
        self.control = open_control(folder, clock)
        self.hooks = [Hook(Webhook(name=name, url=url), b"k") for name, url in hooks.items()]

    def send(self, *, looks: int = 1, tell=()) -> None:
        """Look at the outbox, and wait until everything that was begun has ended."""
        asyncio.run(self._send(looks, tell))

    def raise_(self, key: str, *, to=("ops",)) -> int:
        """Raise an alert; returns its id."""
        told = Alert(kind="run_limit", severity="critical", subject=key, message=key, at_us=self.clock.now_us())
        return self.control.alerts.raise_once(key, told, to=to).id

    def about(self, number: int):
        """Its first delivery."""
        return self.control.outbox.about([number])[0]

    async def _send(self, looks, tell) -> None:
        loop, tasks, started = asyncio.get_running_loop(), TaskGroup(), []
        client = UpstreamClient(loop, ClientSettings())
        sender = Sender(
            self.control.alerts,
            self.control.outbox,
            self.clock,
            channels=lambda: [WebhookChannel(hook, client, self.clock) for hook in self.hooks],
            spawn=lambda work, name: started.append(tasks.spawn(work, name=name)),
        )
        for _ in range(looks):
            await sender.look()
        for one in tell:
            await sender.tell(one)
        await asyncio.gather(*started)
        await client.aclose()


@pytest.fixture
def office(tmp_path, clock):
    """Make senders that share one control state."""
    made = []

    def make(**hooks: str) -> Office:
        made.append(Office(tmp_path, clock, hooks))
        return made[-1]

    yield make
    for one in made:
        one.control.close()


def test_delivered_once(office, clock):
    """What is due is delivered in order, and never again, by this sender or the next process's."""
    with receiving() as receiver:
        first = office(ops=receiver.url)
        numbers = [first.raise_(key) for key in "abc"]
        first.send(looks=3)
        office(ops=receiver.url).send()

    assert ["a", "b", "c"] == [body["subject"] for body in receiver.bodies]
    assert numbers == [body["id"] for body in receiver.bodies]
    assert [(clock.us, 1)] * 3 == [(first.about(one).delivered_us, first.about(one).attempts) for one in numbers]


def test_resolved(office, clock):
    """Whoever is told of an alert is told of its end, under the same key."""
    with receiving() as receiver:
        one = office(ops=receiver.url)
        number = one.raise_("a")
        one.send()
        clock.us += 60 * S
        one.control.alerts.resolve(number, at_us=clock.us)
        one.send()

    assert [("raised", None), ("resolved", "2026-11-01T00:01:00.000Z")] == [
        (body["event"], body["resolved_at"]) for body in receiver.bodies
    ]
    assert 1 == len({body["key"] for body in receiver.bodies})


def test_over_before_it_was_told(office, clock):
    """What ended before it could be told of is told of in order."""
    with receiving() as receiver:
        one = office(ops=receiver.url)
        one.control.alerts.resolve(one.raise_("a"), at_us=clock.us)
        one.send()

    assert [("raised", None), ("resolved", "2026-11-01T00:00:00.000Z")] == [
        (body["event"], body["resolved_at"]) for body in receiver.bodies
    ]


def test_retried(office, clock):
    """What is not taken is tried again after ever longer pauses, until it is taken."""
    with receiving(500) as receiver:
        one = office(ops=receiver.url)
        number = one.raise_("a")
        tries = []
        for _ in range(60):
            one.send()
            tries.append(len(receiver.received))
            clock.us += S
        problem = one.about(number).problem
        receiver.provider.script = answer(b"")
        clock.us += 60 * S
        one.send()
        one.send()

    assert [0, 5, 15, 35] == [tries.index(count) for count in (1, 2, 3, 4)]
    assert "127.0.0.1" in problem
    assert "answered 500" in problem
    assert 5 == len(receiver.received)
    assert clock.us == one.about(number).delivered_us


def test_given_up(office, clock):
    """What nobody takes for a day is given up, and the reason stays."""
    with receiving(500) as receiver:
        one = office(ops=receiver.url)
        number = one.raise_("a")
        while one.about(number).next_us is not None:
            clock.us = max(clock.us, one.about(number).next_us)
            one.send()

    assert START_US + GIVEN_UP_US - 3600 * S < clock.us <= START_US + GIVEN_UP_US
    assert (None, len(receiver.received)) == (one.about(number).delivered_us, one.about(number).attempts)


def test_process_that_died(office, clock):
    """What a process had claimed when it died is sent when the claim ends."""
    with receiving() as receiver:
        one = office(ops=receiver.url)
        delivery = one.about(one.raise_("a"))
        one.control.outbox.claim(delivery.id, at_us=clock.us, until_us=clock.us + CLAIM_US)
        one.send()
        before = len(receiver.received)
        clock.us += CLAIM_US
        one.send()

    assert (0, 1) == (before, len(receiver.received))


def test_hanging_receiver_holds_up_no_other(office, monkeypatch):
    """While one receiver hangs, the others get what is theirs, and all of it."""
    monkeypatch.setattr(post, "WITHIN_S", 0.2)
    with receiving(script=lambda connection, _request: connection.recv(1)) as slow, receiving() as quick:
        one = office(slow=slow.url, quick=quick.url)
        numbers = [one.raise_(key, to=("slow", "quick")) for key in "abc"]
        one.send(looks=3)

    assert (1, ["a", "b", "c"]) == (len(slow.received), [body["subject"] for body in quick.bodies])
    assert [(True, False)] * 3 == [
        (both[1].delivered_us is not None, both[0].delivered_us is not None)
        for both in (one.control.outbox.about([number]) for number in numbers)
    ]
    assert "no answer within" in one.about(numbers[0]).problem


def test_webhook_that_is_gone(office):
    """What is queued for a webhook that is not configured any more waits for it, and disturbs nobody."""
    with receiving() as receiver:
        one = office(ops=receiver.url)
        one.raise_("a", to=("gone", "ops"))
        one.send()

    assert 1 == len(receiver.received)


def test_two_senders(office):
    """Two processes that send at the same time send each thing once."""
    with receiving() as receiver:
        senders = [office(ops=receiver.url) for _ in range(2)]
        for number in range(10):
            senders[0].raise_(f"a{number}")

        async def both() -> None:
            await asyncio.gather(*(one._send(1, ()) for one in senders))

        asyncio.run(both())

    assert [f"a{number}" for number in range(10)] == sorted(body["subject"] for body in receiver.bodies)


def test_told_without_a_record(office):
    """What cannot be recorded is told at once to whoever takes it; a receiver that is away does not matter."""
    one = finding("store_down", "x", severity="critical", subject="x", message="m", at_us=START_US, data={})
    with receiving() as receiver:
        office(away="http://127.0.0.1:1/", ops=receiver.url).send(tell=[one])

    assert [(None, "store_down/x")] == [(body["id"], body["key"]) for body in receiver.bodies]


def test_pauses():
    """Pauses double up to a quarter of an hour."""
    assert [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] == [pause_after(attempts) for attempts in range(1, 11)]
    assert 900 == pause_after(10_000)


def test_audience():
    """Those are told who take the kind."""
    hooks = [
        Hook(Webhook(name="all", url="http://x/"), None),
        Hook(Webhook(name="some", url="http://x/", kinds=("store_down",)), None),
    ]

    assert [("all", "some"), ("all",)] == [audience_of(hooks, kind) for kind in ("store_down", "run_limit")]
