"""Several processes that use the same counters at once."""

import os
import subprocess
import sys
from pathlib import Path

from bursar.policy.claims import Account
from support.counters_contender import LIMIT, SHARED, START
from support.counters_contract import LEASE, Worker

CONTENDER = Path(__file__).parent / "counters_contender.py"


def contend(address: str, *, processes: int, rounds: int) -> list[subprocess.Popen[str]]:
    """Start processes that reserve and settle."""
    environment = {**os.environ, "PYTHONPATH": str(CONTENDER.parents[1])}
    return [
        subprocess.Popen(
            (sys.executable, str(CONTENDER), address, f"p{number}", str(rounds), str(number)),
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]


def check_crowd(address: str, worker: Worker) -> None:
    """Whatever the others do at the same time, no amount is lost and none is granted beyond the limit."""
    said = [one.communicate(timeout=100)[0].split() for one in contend(address, processes=3, rounds=400)]

    spent, held = _standing(worker)
    settled = sum(int(lines[-3]) for lines in said)
    assert (settled, 0) == (spent, held)
    assert LIMIT - 600 < spent <= LIMIT
    owned = [Account(f"budget/p{process}-{number}") for process in range(3) for number in range(7)]
    assert settled == sum(one.spent for one in worker.balances(owned, at_us=START))


def check_killed(address: str, worker: Worker) -> None:
    """Processes that are killed in the middle leave no amount in between; what they held returns with their lease."""
    crowd = contend(address, processes=3, rounds=100_000)
    seen = 0
    for victim in crowd[:2]:
        lines = [victim.stdout.readline() for _ in range(20)]
        seen += int(lines[-1])
        victim.kill()
    for one in crowd:
        one.kill()
        one.communicate()

    spent, held = _standing(worker)
    assert seen <= spent
    assert spent + held <= LIMIT
    worker.beat(at_us=START + LEASE + 1)
    assert (spent, 0) == _standing(worker)


def _standing(worker: Worker) -> tuple[int, int]:
    (found,) = worker.balances([SHARED], at_us=START)
    return found.spent, found.held
