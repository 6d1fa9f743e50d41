"""A dollar under a thousand requests at once, again and again: whether a hard budget is ever overspent.

    .venv/bin/python bench/overspend.py --seeds 50 --requests 1000

Each seed is a gateway of its own with a hard budget of $1.00 and a mix of models, sizes and routes, streamed and not,
all sent at the same time, and sent again until nothing more is let through. Seeds take turns at being plain, served by
four workers, left by their clients, let down by their provider, and killed with SIGKILL in the middle. Exits 1 when a
dollar was overspent, or when something was refused that would have fitted.
"""

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bursar import __version__
from bursar.money import format_rounded, parse_usd
from bursar.simulator.serve import SimulatorProcess
from bursar.simulator.settings import SimulatorSettings
from support.pressing import BUDGET, press_on, requests, spend_of
from support.serving import ServedGateway

LIMIT: Final = parse_usd("1.00")


class Kind(Struct, frozen=True):
    """One way to press on a budget."""

    name: str
    workers: int = 1
    hangup_rate: float = 0.0
    faults: dict[str, float] = {}
    timeout_s: float = 20
    kill: str = ""
    """What is killed: "worker", "gateway" or nothing."""


KINDS: Final = (
    Kind("plain"),
    Kind("4 workers", workers=4),
    Kind("clients leave", hangup_rate=0.2),
    Kind("clients leave 4 workers", workers=4, hangup_rate=0.2),
    Kind("provider fails", faults={"error_rate": 0.05, "reset_rate": 0.05, "missing_usage_rate": 0.05}),
    Kind("provider times out", faults={"slow_first_byte_rate": 0.1}, timeout_s=2),
    Kind("a worker is killed", workers=4, kill="worker"),
    Kind("the gateway is killed", kill="gateway"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1, help="the first seed; a seed's kind follows from it")
    options = parser.parse_args()
    began = time.monotonic()
    print(f"bursar {__version__}, Python {platform.python_version()}, {platform.machine()}")
    print(f"{options.seeds} seeds, {options.requests} requests at once, limit $1.00\n")
    print(
        f"{'seed':>4}  {'kind':<24}  {'rounds':>6}  {'sent':>5}  {'refused':>7}  {'spent':>8}  {'at most':>8}  verdict"
    )
    failures = sum(not one_seed(seed, options.requests) for seed in range(options.first, options.first + options.seeds))
    print(f"\n{failures} failures in {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


def one_seed(seed: int, count: int) -> bool:
    """Press on one budget and judge what the ledger says; prints a line."""
    kind = KINDS[(seed - 1) % len(KINDS)]
    settings = SimulatorSettings(seed=seed, latency_scale=0.05, **kind.faults)
    with (
        tempfile.TemporaryDirectory(prefix="bursar-overspend-") as folder,
        SimulatorProcess(settings) as provider,
    ):
        gateway = ServedGateway(
            Path(folder),
            provider.base_url,
            workers=kind.workers,
            extra=BUDGET,
            first_byte_timeout_s=kind.timeout_s,
        )
        gateway.start()
        calls = requests(seed, count, hangup_rate=kind.hangup_rate)
        if kind.kill == "gateway":
            try:
                press_on(gateway, calls, kill=gateway.kill)
            except OSError:
                gateway.start()
            calls = requests(seed + 1000, count)
        kill = (lambda: gateway.kill_worker("w2")) if kind.kill == "worker" else None
        pressed = press_on(gateway, calls, kill=kill)
        gateway.stop()
        rows = gateway.rows()
    spent, charged, refused = spend_of(rows)
    wrongly = [row for row in refused[: pressed.refused_at_last] if charged + row.bound <= LIMIT]
    verdict = "OVERSPENT" if charged > LIMIT else f"{len(wrongly)} WOULD HAVE FITTED" if wrongly else "ok"
    sent = sum(row.outcome not in ("refused", "interrupted") for row in rows)
    print(
        f"{seed:>4}  {kind.name:<24}  {pressed.rounds:>6}  {sent:>5}  {pressed.refused_at_last:>7}  "
        f"{format_rounded(spent, 5):>8}  {format_rounded(charged, 5):>8}  {verdict}",
        flush=True,
    )
    return verdict == "ok"


if __name__ == "__main__":
    sys.exit(main())
