"""Which counters a worker uses."""

import asyncio

import pytest

from bursar.clock import SystemClock
from bursar.config import parse_config
from bursar.counters.local import LocalCounters
from bursar.counters.memory import MemoryCounters
from bursar.counters.redis import RedisCounters
from bursar.errors import ConfigError
from bursar.wiring.counting import begin_counting, open_counters, store_of


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def opened(tmp_path, loop):
    """Opens the counters of a configuration, and ends them."""
    ends = []

    def make(text, **environ):
        config = parse_config(text, source="test")
        begin_counting(config, tmp_path)
        counters = open_counters(
            config, tmp_path, worker="w1", began_us=1, environ=environ, clock=SystemClock(), loop=loop
        )
        ends.append(counters)
        return counters

    yield make
    for counters in ends:
        counters.close()
        if isinstance(counters, RedisCounters):
            loop.run_until_complete(counters.closed())


@pytest.mark.parametrize(
    ("workers", "store", "kind"),
    [(1, "auto", MemoryCounters), (2, "auto", LocalCounters), (1, "local", LocalCounters)],
)
def test_stores(opened, workers, store, kind):
    """One worker counts in memory, several in a file, unless the configuration says otherwise."""
    counters = opened(f'[server]\nworkers = {workers}\n[counters]\nstore = "{store}"')

    assert isinstance(counters, kind)
    assert counters.trouble is None


def test_redis(opened, tmp_path):
    """A server is connected to in the background: a gateway starts without it, and says what is wrong."""
    counters = opened('[counters]\nstore = "redis"\nredis_url = "env:URL"', URL=f"unix://{tmp_path}/nobody")

    assert isinstance(counters, RedisCounters)
    assert "not connected" in counters.trouble


@pytest.mark.parametrize(
    ("url", "problem"), [(None, "needs counters.redis_url"), ("http://:secret@h", "counters.redis_url: the address")]
)
def test_unusable_servers(opened, url, problem):
    """A missing or wrong address is an error of the configuration that does not repeat a password."""
    line = "" if url is None else 'redis_url = "env:URL"'

    with pytest.raises(ConfigError, match=problem) as wrong:
        opened(f'[counters]\nstore = "redis"\n{line}', URL=url or "")

    assert "secret" not in str(wrong.value)


def test_memory_is_for_one_worker():
    """Several workers cannot count in memory."""
    with pytest.raises(ConfigError, match="counts for one worker"):
        store_of(parse_config('[server]\nworkers = 2\n[counters]\nstore = "memory"', source="test"))
