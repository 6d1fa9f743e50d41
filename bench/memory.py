"""Does the gateway grow? Its resident memory after 10,000 requests and after 200,000 on the same process.

    python bench/memory.py [--requests N] [--connections N]

A gateway that keeps something for every call it has seen shows here. The ledger's process is listed beside it.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from contestants import Bursar, Provider
from load import Load, Result
from measure import command, descendants, machine, rss_kb, versions
from processes import script, start_script
from report import aligned

FIRST: Final = 10_000
LIMIT: Final = 1.10
"""Most that the later figure may exceed the earlier by."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    print(machine(), versions(), command(), sep="\n", end="\n\n", flush=True)
    before, after = grown(options.requests, connections=options.connections)
    print(aligned([["requests", "gateway MB", "ledger MB"], *(one.cells() for one in (before, after))]))
    ratio = after.gateway_kb / before.gateway_kb
    print(f"\nthe gateway's memory is {ratio:.3f} times what it was (limit {LIMIT:.2f})")
    return 0 if ratio <= LIMIT else 1


class Reading(msgspec.Struct, frozen=True):
    """Memory after so many requests."""

    requests: int
    gateway_kb: int
    ledger_kb: int

    def cells(self) -> list[str]:
        return [f"{self.requests:,}", f"{self.gateway_kb / 1024:.1f}", f"{self.ledger_kb / 1024:.1f}"]


def grown(requests: int, *, connections: int) -> tuple[Reading, Reading]:
    """Readings of one gateway after `FIRST` requests and after all of them."""
    with tempfile.TemporaryDirectory(prefix="bursar-memory-") as name:
        folder = Path(name)
        provider, port = script("upstream_server.py", log=folder / "provider.log")
        gateway = Bursar()
        with provider:
            try:
                gateway.start(Provider(port=port, ca=None), folder)
                before = reading_after(FIRST, FIRST, gateway, connections, folder)
                after = reading_after(requests - FIRST, requests, gateway, connections, folder)
            finally:
                gateway.stop()
    return before, after


def reading_after(requests: int, total: int, gateway: Bursar, connections: int, folder: Path) -> Reading:
    """Send so many more requests, let the ledger catch up, and read."""
    load = Load(
        port=gateway.port, path=gateway.path, headers=gateway.headers, connections=connections, requests=requests
    )
    with start_script("load.py", msgspec.json.encode(load).decode(), log=folder / "load.log") as generator:
        generator.read_line()
        generator.say("go")
        result = msgspec.json.decode(generator.read_line(), type=Result)
    if result.errors:
        raise RuntimeError(f"{result.errors} requests failed: {result.first_error}")
    gateway.settle()
    pid = gateway.pid()
    return Reading(total, rss_kb(pid), sum(map(rss_kb, descendants(pid))))


if __name__ == "__main__":
    raise SystemExit(main())
