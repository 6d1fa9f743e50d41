"""Counters in Redis, on a real server."""

import asyncio

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bursar.counters.protocol import Balance, Spot
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account
from support.counters_contract import LEASE, START, TEAM, CountersContract, S, balance, hold, spend
from support.counters_crowd import check_crowd, check_killed
from support.counters_machine import machine_of
from support.redis_counters import RedisStore
from support.redis_server import RedisServer

SHORT_S = 0.25
"""Timeout where one is meant to pass."""


@pytest.fixture(scope="module")
def shared_server():
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def server():
    """A server that the test may break."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def durable_server():
    server = RedisServer(is_durable=True)
    yield server
    server.close()


@pytest.fixture
def loop():
    loop = uvloop.new_event_loop()
    yield loop
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.fixture
def fresh(shared_server, loop):
    return lambda: RedisStore(shared_server, loop)


@pytest.fixture
def make_store(loop):
    """Opens stores, and closes them."""
    opened = []

    def make(server, **more):
        opened.append(RedisStore(server, loop, **more))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


class Deaf:
    """A transport whose bytes get lost."""

    def write(self, data):
        """Lose them."""


class TestRedisCounters(CountersContract):
    """Counters in Redis pass the contract."""


def test_other_loop(shared_server):
    """It needs nothing that only uvloop has."""
    loop = asyncio.new_event_loop()
    store = RedisStore(shared_server, loop)

    spend(store.worker(), "a", TEAM, 60)

    assert Balance(60, 0) == balance(store.worker("w2"), TEAM)
    store.close()
    loop.close()


def test_machine(fresh):
    """Any interleaving agrees with the model."""
    quick = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))

    run_state_machine_as_test(machine_of(fresh), settings=quick)


def test_crowd(shared_server, make_store):
    """Three processes at once lose nothing and exceed nothing."""
    store = make_store(shared_server)
    worker = store.worker()

    check_crowd(f"{store.start}@{store.url}", worker)


def test_killed(shared_server, make_store):
    """A kill in the middle of anything leaves nothing behind for longer than a lease."""
    store = make_store(shared_server)
    worker = store.worker()

    check_killed(f"{store.start}@{store.url}", worker)


def test_blank_until_seeded(shared_server, make_store):
    """Nothing is granted before somebody has said what was spent."""
    worker = make_store(shared_server).open()
    with pytest.raises(CountersUnavailable, match="not connected"):
        worker.reserve(hold("a", (TEAM, 1)))
    worker.attempted()
    assert "BLANK" in worker.trouble
    assert Balance(0, 0) == balance(worker, TEAM)

    worker.seed({Spot(TEAM.name): 7})
    worker.connected()

    assert Balance(7, 0) == balance(worker, TEAM)


def test_starts_are_apart(shared_server, make_store):
    """What an earlier start counted does not count in a later one, and ends by itself."""
    earlier, later = make_store(shared_server), make_store(shared_server)
    spend(earlier.worker(), "a", TEAM, 60)

    assert Balance(0, 0) == balance(later.worker(), TEAM)
    for name in ("book", "holds", "seeds"):
        seconds = int(shared_server.call("TTL", f"{{bursar:{earlier.start}}}:{name}").strip(b":\r\n"))
        assert 0 < seconds <= 24 * 3600


def test_server_that_lost_everything(server, make_store):
    """A server that comes back empty grants nothing until it is seeded; then what is in flight is held again."""
    store = make_store(server)
    worker, other = store.worker("w1"), store.worker("w2")
    spend(worker, "a", TEAM, 10)
    kept, ended = hold("b", (TEAM, 30)), hold("c", (TEAM, 20))
    worker.reserve(kept)
    other.reserve(ended)
    server.kill()
    with pytest.raises(CountersUnavailable):
        worker.reserve(hold("d", (TEAM, 1)))
    with pytest.raises(CountersUnavailable):
        worker.balances([TEAM], at_us=START)
    other.counters.settle(ended, (15,))
    server.start()
    worker.blank()
    assert Balance(0, 0) == balance(worker, TEAM)
    with pytest.raises(CountersUnavailable, match="BLANK"):
        worker.reserve(hold("d", (TEAM, 1)))

    worker.seed({Spot(TEAM.name): 10})
    worker.connected()
    other.connected()
    other.settled()
    worker.settled()

    assert Balance(25, 30) == balance(worker, TEAM)
    worker.settle(kept, (30,))
    assert Balance(55, 0) == balance(worker, TEAM)


def test_durable_server(durable_server, make_store):
    """A server that comes back with what it knew goes on where it was."""
    store = make_store(durable_server)
    worker = store.worker()
    spend(worker, "a", TEAM, 10)
    asked = hold("b", (TEAM, 30))
    worker.reserve(asked)
    durable_server.kill()
    worker.counters.settle(asked, (20,))
    durable_server.start()
    worker.connected()
    worker.settled()

    assert Balance(30, 0) == balance(worker, TEAM)


def test_broken_connections_count_once(shared_server, make_store):
    """However often connections break, each settlement counts exactly once and nothing stays held."""
    store = make_store(shared_server)
    worker = store.worker()
    account = Account("budget/broken")
    settled = 0
    for number in range(60):
        try:
            waiting = [worker.counters.reserve(hold(f"{number}-{one}", (account, 5))) for one in range(10)]
            worker.wait(asyncio.wait(waiting))
        except CountersUnavailable:
            waiting = []
        for one, answer in enumerate(waiting):
            if answer.exception() is None:
                worker.counters.settle(hold(f"{number}-{one}", (account, 5)), (3,))
                settled += 3
        if number % 3 == 0:
            # Before, while or after the server works on what was sent.
            worker.counters._link._transport.abort()
        elif number % 3 == 1:
            shared_server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        worker.connected()
    worker.settled()

    assert settled > 600
    assert Balance(settled, 0) == balance(worker, account)


def test_server_that_hangs(server, make_store):
    """A hold whose answer did not come in time is refused, and does not stay when the server goes on."""
    store = make_store(server, timeout_s=SHORT_S)
    worker = store.worker()
    spend(worker, "a", TEAM, 10)
    server.freeze()

    with pytest.raises(CountersUnavailable, match="no answer within"):
        worker.reserve(hold("b", (TEAM, 40)))
    with pytest.raises(CountersUnavailable):
        worker.counters.reserve(hold("c", (TEAM, 1)))
    worker.counters.settle(hold("b", (TEAM, 40)), (4,))
    with pytest.raises(CountersUnavailable):
        worker.balances([TEAM], at_us=START)
    server.thaw()
    worker.connected()
    worker.settled()

    assert Balance(14, 0) == balance(worker, TEAM)


def test_late_command_of_an_earlier_connection(shared_server, make_store):
    """What an earlier connection still sends after a later one has begun is not done."""
    store = make_store(shared_server)
    earlier, later = store.worker("same"), store.worker("same")

    with pytest.raises(CountersUnavailable, match="STALE"):
        earlier.reserve(hold("a", (TEAM, 40)))

    assert Balance(0, 0) == balance(later, TEAM)


def test_settlement_that_got_lost_after_a_namesake(shared_server, make_store, monkeypatch):
    """A worker that is called like an earlier one has its own settlements sent again, not taken for the other's."""
    store = make_store(shared_server)
    for name in "abc":
        spend(store.worker("same"), name, TEAM, 10)
    worker = store.worker("same")
    link = worker.counters._link
    with monkeypatch.context() as patched:
        patched.setattr(link, "_transport", Deaf())
        worker.counters.settle(hold("d", (TEAM, 5)), (5,))
    link.lose("pulled")
    worker.connected()
    worker.settled()

    assert Balance(35, 0) == balance(worker, TEAM)


def test_lease_that_ended_while_away(shared_server, make_store):
    """A worker whose holds were returned while it could not be reached holds them again."""
    store = make_store(shared_server)
    away, other = store.worker("w1"), store.worker("w2")
    away.beat(at_us=START)
    away.reserve(hold("a", (TEAM, 40)))
    away.counters._link.lose("pulled")
    other.beat(at_us=START + LEASE + 1)
    away.connected()
    away.settled()

    assert Balance(0, 40) == balance(other, TEAM)


def test_long_outage(server, make_store):
    """What was admitted unchecked while the server was away is added up, not listed, and counted later."""
    store = make_store(server)
    worker = store.worker()
    server.kill()
    with pytest.raises(CountersUnavailable):
        worker.reserve(hold("a", (TEAM, 1)))
    for number in range(1000):
        worker.counters.settle(hold(str(number), (TEAM, 0)), (1,))
    assert 1 == len(worker.counters._unanswered) + len(worker.counters._backlog._sums)
    server.start()
    worker.blank()
    worker.seed({})
    worker.connected()
    worker.settled()

    assert Balance(1000, 0) == balance(worker, TEAM)


def test_flushed_scripts(shared_server, make_store):
    """A server that has forgotten the script is told it again."""
    worker = make_store(shared_server).worker()
    shared_server.call("SCRIPT", "FLUSH")
    with pytest.raises(CountersUnavailable, match="NOSCRIPT"):
        worker.reserve(hold("a", (TEAM, 1)))
    worker.connected()

    assert worker.reserve(hold("b", (TEAM, 1))).is_granted
    shared_server.call("SCRIPT", "FLUSH")
    assert Balance(0, 1) == balance(worker, TEAM)


def test_full_server(server, make_store):
    """A server without memory grants nothing, and says why."""
    worker = make_store(server).worker()
    server.call("CONFIG", "SET", "maxmemory", "1")

    with pytest.raises(CountersUnavailable, match="OOM"):
        worker.reserve(hold("a", (TEAM, 1)))
    server.call("CONFIG", "SET", "maxmemory", "0")
    worker.connected()

    assert Balance(0, 0) == balance(worker, TEAM)


@pytest.mark.parametrize(("credentials", "problem"), [("", "NOAUTH"), (":wrong@", "WRONGPASS"), (":s%3Acret@", None)])
def test_password(loop, credentials, problem):
    """A server that wants a password gets the one of the address, or trouble says what it wanted."""
    server = RedisServer(password="s:cret")
    store = RedisStore(server, loop)
    store.url = f"unix://{credentials}{server.path}"
    if problem is None:
        spend(store.worker(), "a", TEAM, 10)
    else:
        worker = store.open()
        worker.attempted()
        assert problem in worker.trouble
        with pytest.raises(CountersUnavailable, match=problem):
            worker.seed({})
        assert "wrong" not in worker.trouble.replace("WRONGPASS", "")
    store.close()
    server.close()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol"),
        (b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "answered"),
        (b"$3\r\nabc\r\n$3\r\nabc\r\n", "answered"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"", "closed the connection"),
    ],
)
def test_something_else_answers(tmp_path, loop, said, problem):
    """Whatever it is that answers there, nothing is granted, and trouble says what was wrong."""
    writers = []

    async def serve(reader, writer):
        writers.append(writer)
        await reader.read(100)
        writer.write(said)
        if not said:
            writer.close()

    async def end(listener):
        for one in writers:
            one.close()
        listener.close()
        await listener.wait_closed()

    path = tmp_path / "s"
    listener = loop.run_until_complete(asyncio.start_unix_server(serve, path))
    store = RedisStore(type("Server", (), {"url": f"unix://{path}"}), loop)
    worker = store.open()
    worker.attempted()

    assert problem in worker.trouble
    with pytest.raises(CountersUnavailable):
        worker.reserve(hold("a", (TEAM, 1)))
    store.close()
    loop.run_until_complete(end(listener))


def test_nobody_answers(tmp_path, loop):
    """A server that is not there is trouble, and an end is possible all the same."""
    store = RedisStore(type("Server", (), {"url": f"unix://{tmp_path}/nothing"}), loop)
    worker = store.open()
    worker.attempted()

    assert "No such file" in worker.trouble
    with pytest.raises(CountersUnavailable, match="No such file"):
        worker.seed({})
    worker.counters.settle(hold("a", (TEAM, 1)), (1,))
    worker.counters.beat(at_us=START)
    store.close()


def test_given_up_reservation(shared_server, make_store):
    """A reservation that nobody waits for any more holds nothing."""
    worker = make_store(shared_server).worker()

    worker.counters.reserve(hold("a", (TEAM, 40), at=START + S)).cancel()
    worker.settled()
    worker.settled()

    assert Balance(0, 0) == balance(worker, TEAM)
