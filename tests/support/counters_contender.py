"""A process that reserves and settles against counters which others use as well.

    python counters_contender.py STORE WORKER ROUNDS SEED

Prints the sum of what it settled after each round, and what it was granted at the end.
"""

import random
import sys

from bursar.errors import CountersUnavailable
from bursar.policy.claims import Account, Hold
from support.counters_contract import Worker
from support.counters_stores import open_store

LIMIT = 30_000
SHARED = Account("budget/shared", limit=LIMIT)
START = 1_795_000_000_000_000


def main() -> None:
    address, worker, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(seed)
    settled = granted = 0
    with open_store(address, worker) as counters:
        counters.beat(at_us=START)
        for number in range(rounds):
            amount = chance.randint(1, 200)
            own = Account(f"budget/{worker}-{number % 7}")
            hold = Hold(f"{worker}/{number}", START, (SHARED, own), (amount, amount))
            if is_granted(counters, hold):
                granted += 1
                used = chance.randint(0, amount)
                counters.settle(hold, (used, used))
                settled += used
            sys.stdout.write(f"{settled}\n")
            sys.stdout.flush()
        while counters.trouble is not None:
            counters.beat(at_us=START)
    sys.stdout.write(f"granted {granted}\n")


def is_granted(counters: Worker, hold: Hold) -> bool:
    """Whether a hold was granted; on a busy machine others may keep the store for longer than a worker waits."""
    try:
        return counters.reserve(hold).is_granted
    except CountersUnavailable:
        return False


if __name__ == "__main__":
    main()
