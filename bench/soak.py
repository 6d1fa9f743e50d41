"""Long runs: the ledger against the provider's own record after many mixed calls, faults, hang-ups and kills.

    .venv/bin/python bench/soak.py --calls 20000 --kills 2

Exits 1 when a row disagrees with the simulated provider's account, is there twice or is lost.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bursar import __version__
from bursar.money import format_usd
from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from support.comparison import compare, read_account
from support.serving import ServedGateway
from support.traffic import Outcomes, calls, drive


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bursar-soak-") as folder:
        return soak(options, Path(folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=2, help="how often the gateway is killed with SIGKILL")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-scale", type=float, default=0.02)
    return parser.parse_args()


def soak(options: argparse.Namespace, folder: Path) -> int:
    account = folder / "account.jsonl"
    settings = SimulatorSettings(
        seed=options.seed,
        latency_scale=options.latency_scale,
        account_file=str(account),
        error_rate=0.03,
        rate_limit_rate=0.03,
        retry_after_s=0,
        reset_rate=0.03,
        malformed_usage_rate=0.01,
        missing_usage_rate=0.01,
    )
    outcomes = Outcomes()
    began = time.monotonic()
    with SimulatorProcess(settings) as provider:
        gateway = ServedGateway(folder, provider.base_url)
        traffic = calls(options.seed, options.calls, hangup_rate=0.05)
        for kill in range(options.kills + 1):
            gateway.start()
            if kill < options.kills:
                goal = options.calls * (kill + 1) // (options.kills + 1)
                run_until(gateway, traffic, outcomes, options, goal)
            else:
                asyncio.run(drive(traffic, gateway.port, concurrency=options.concurrency, outcomes=outcomes))
        gateway.stop()
        rows = gateway.rows()
    return report(compare(rows, read_account(account)), outcomes, rows, options, time.monotonic() - began)


def run_until(gateway, traffic, outcomes, options, goal) -> None:
    """Drive traffic and kill the gateway once enough answers have arrived."""

    def alive():
        for call in traffic:
            yield call
            if gateway.is_dead():
                return

    def kill() -> None:
        while len(outcomes.complete) + outcomes.left + outcomes.broken < goal:
            time.sleep(0.01)
        gateway.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    asyncio.run(drive(alive(), gateway.port, concurrency=options.concurrency, outcomes=outcomes))
    killer.join()


def report(found, outcomes, rows, options, seconds) -> int:
    settled = {row.call_id for row in rows if row.outcome != "interrupted"}
    lost = set(outcomes.complete) - settled
    in_flight = options.concurrency * options.kills
    faults = list(found.faults)
    if lost:
        faults.append(f"{len(lost)} answered calls have no settled row")
    if len(found.interrupted) > 2 * in_flight:
        faults.append(f"{len(found.interrupted)} interrupted rows, although at most {in_flight} were in flight")
    if len(found.unmatched_entries) > len(found.interrupted):
        faults.append(f"{len(found.unmatched_entries)} requests at the provider have no row")
    print(f"bursar {__version__}, Python {platform.python_version()}, {platform.machine()}, {seconds:.0f} s")
    print(f"calls {options.calls}, kills {options.kills}, clients that left {outcomes.left}")
    print(f"rows {len(rows)}: " + ", ".join(f"{name} {count}" for name, count in found.outcomes.most_common()))
    print(f"equal to the picodollar {found.exact} (${format_usd(found.cost_pico)}), not billed {found.unbilled},")
    print(f"usage never arrived (estimated) {found.estimated}, interrupted {len(found.interrupted)}")
    for fault in faults[:20]:
        print("DISAGREES:", fault)
    print("agrees" if not faults else f"{len(faults)} disagreements")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
