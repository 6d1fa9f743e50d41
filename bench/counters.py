"""What reserving and settling costs in each store of counters, and how many of them a machine does.

    python bench/counters.py [--seconds S] [--rounds N] [--only STORE]

Every process reserves and settles one after another; `redis x32` keeps 32 on their way, as a busy gateway does. All
processes use the same accounts. CPU is that of the processes that count, for a reservation and its settlement together;
a Redis server's own is beside it. Redis is left out where `redis-server` is not installed.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import Final

import msgspec
import uvloop

from bursar.counters.local import open_local
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.counters.protocol import Counters
from bursar.counters.redis import RedisCounters, open_redis
from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account, Hold
from measure import command, cpu_ns, machine, versions
from processes import Child
from report import aligned

LEASE_US: Final = 30_000_000
AT_US: Final = 1_795_000_000_000_000
START: Final = "bench"
STORES: Final = {"memory": (1,), "local": (1, 2, 4), "redis": (1, 2, 4), "redis x32": (1, 2, 4)}
"""Processes by store."""


class Done(msgspec.Struct):
    """What one process did."""

    pairs: int
    failed: int
    cpu_s: float
    elapsed_s: float
    p50_us: float
    p99_us: float


def accounts_of(number: int) -> tuple[Account, ...]:
    """Budgets with room for everything."""
    return tuple(Account(f"budget/bench-{one}#usd|user=ann", limit=10**24) for one in range(number))


def hold_of(worker: str, number: int, accounts: tuple[Account, ...]) -> Hold:
    return Hold(f"{worker}/{number}", AT_US, accounts, (20_000_000_000,) * len(accounts))


def count_alone(counters: Counters, worker: str, accounts: tuple[Account, ...], seconds: float) -> Done:
    """Reserve and settle where answers are there at once."""
    used, times, failed = (5_000_000_000,) * len(accounts), [], 0
    began, cpu = monotonic(), process_time()
    while monotonic() - began < seconds:
        hold = hold_of(worker, len(times) + failed, accounts)
        started = monotonic()
        try:
            counters.reserve(hold)
        except CountersUnavailable:
            failed += 1
            continue
        counters.settle(hold, used)
        times.append(monotonic() - started)
    return done(times, failed, cpu_s=process_time() - cpu, elapsed_s=monotonic() - began)


async def count_waiting(
    counters: RedisCounters, worker: str, accounts: tuple[Account, ...], seconds: float, *, at_once: int
) -> Done:
    """Reserve and settle where answers are waited for; a settlement's is not."""
    used, times, failed = (5_000_000_000,) * len(accounts), [], 0
    await counters.connected()
    began, cpu = monotonic(), process_time()

    async def one(lane: int) -> None:
        nonlocal failed
        number = 0
        while monotonic() - began < seconds:
            number += 1
            hold = hold_of(f"{worker}/{lane}", number, accounts)
            started = monotonic()
            try:
                await counters.reserve(hold)
            except CountersUnavailable:
                failed += 1
                await counters.connected()
                continue
            counters.settle(hold, used)
            times.append(monotonic() - started)

    await asyncio.gather(*(one(lane) for lane in range(at_once)))
    return done(times, failed, cpu_s=process_time() - cpu, elapsed_s=monotonic() - began)


def done(times: list[float], failed: int, *, cpu_s: float, elapsed_s: float) -> Done:
    ordered = sorted(times)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1e6 for share in (0.5, 0.99))
    return Done(len(times), failed, cpu_s, elapsed_s, p50, p99)


def child(store: str, address: str, worker: str, accounts: int, seconds: float) -> None:
    """One process that counts: says that it is ready, waits to be told, prints what it did."""
    claimed = accounts_of(accounts)
    if store.startswith("redis"):
        uvloop.run(_redis_child(address, worker, claimed, seconds, at_once=32 if store.endswith("x32") else 1))
        return
    if store == "memory":
        counters: Counters = MemoryCounters(MemoryBook(lease_us=LEASE_US), worker)
    else:
        counters = open_local(Path(address), worker=worker, lease_us=LEASE_US, fresh=False)
    _ready()
    print(msgspec.json.encode(count_alone(counters, worker, claimed, seconds)).decode(), flush=True)


async def _redis_child(
    address: str, worker: str, accounts: tuple[Account, ...], seconds: float, *, at_once: int
) -> None:
    loop = asyncio.get_running_loop()
    counters = open_redis(address, start=START, worker=worker, lease_us=LEASE_US, loop=loop)
    await counters.connected()
    await loop.run_in_executor(None, _ready)
    said = await count_waiting(counters, worker, accounts, seconds, at_once=at_once)
    print(msgspec.json.encode(said).decode(), flush=True)
    counters.close()
    await counters.closed()


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


@contextmanager
def store_at(store: str, folder: Path) -> Iterator[tuple[str, int | None]]:
    """Makes an empty store; its address and, where it is a process, that process."""
    if store == "local":
        path = folder / "counters.sqlite"
        open_local(path, worker="starter", lease_us=LEASE_US, fresh=True).close()
        yield str(path), None
    elif store == "memory":
        yield "", None
    else:
        path = folder / "redis.sock"
        words = ("redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no")
        with Child(words, log=folder / "redis.log") as server:
            uvloop.run(_seed(f"unix://{path}"))
            yield f"unix://{path}", server.pid


async def _seed(address: str) -> None:
    counters = open_redis(address, start=START, worker="starter", lease_us=LEASE_US, loop=asyncio.get_running_loop())
    while "BLANK" not in (counters.trouble or ""):  # noqa: ASYNC110 - trouble tells nobody
        await asyncio.sleep(0.01)
    counters.seed({})
    await counters.connected()
    counters.close()
    await counters.closed()


def measure(store: str, processes: int, accounts: int, seconds: float) -> list[float]:
    """Pairs a second, CPU and server CPU in microseconds a pair, p50 and p99 in microseconds, failures."""
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        address, server = stack.enter_context(store_at(store, folder))
        children = []
        for number in range(processes):
            words = (sys.executable, __file__, "--child", store, address, f"p{number}", str(accounts), str(seconds))
            children.append(stack.enter_context(Child(words, log=folder / f"p{number}.log", pipes=True)))
        for one in children:
            one.read_line()
        server_ns = cpu_ns(server) if server is not None else 0
        for one in children:
            one.say("go")
        said = [msgspec.json.decode(one.read_line(), type=Done) for one in children]
        pairs = sum(one.pairs for one in said)
        spent_ns = cpu_ns(server) - server_ns if server is not None else 0
        return [
            pairs / max(one.elapsed_s for one in said),
            sum(one.cpu_s for one in said) / pairs * 1e6,
            spent_ns / pairs / 1e3,
            median(one.p50_us for one in said),
            max(one.p99_us for one in said),
            float(sum(one.failed for one in said)),
        ]


def report(stores: list[str], *, seconds: float, rounds: int) -> list[list[str]]:
    rows = [["store, processes", "accounts", "pairs/s", "CPU us", "server us", "p50 us", "p99 us", "refused"]]
    for store in stores:
        for processes in STORES[store]:
            for accounts in (1, 20):
                samples = [measure(store, processes, accounts, seconds) for _ in range(rounds)]
                middle = [median(column) for column in zip(*samples, strict=True)]
                numbers = [f"{middle[0]:,.0f}", *(f"{one:,.1f}" for one in middle[1:5]), f"{middle[5]:,.0f}"]
                rows.append([f"{store}, {processes}", str(accounts), *numbers])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", choices=STORES, metavar="STORE")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        store, address, worker, accounts, seconds = options.child
        child(store, address, worker, int(accounts), float(seconds))
        return
    stores = [options.only] if options.only else list(STORES)
    if shutil.which("redis-server") is None:
        stores = [one for one in stores if not one.startswith("redis")]
        print("redis-server is not installed: left out")
    print(machine(), versions(), command(), sep="\n", end="\n\n")
    print(aligned(report(stores, seconds=options.seconds, rounds=options.rounds)))


if __name__ == "__main__":
    main()
