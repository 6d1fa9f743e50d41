"""How fast the gateway is, beside a bare relay, nginx, nothing at all, and other gateways.

    python bench/run.py [--quick] [--only SETTING …] [--with CONTESTANT …] [--workers N …] [--rounds N] [--save]

Machines drift, so within every setting the contestants take turns, round after round, and every ratio is of two runs of
the same round. CPU is what the kernel charged to a contestant's processes between the first request and the last
answer; the load generator and the provider are processes of their own and not counted.
"""

import argparse
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from contestants import Contestant, Nginx, Provider, contestants, nginx_version
from load import Load, Result
from measure import command, machine, versions
from processes import script, start_script
from report import Sample, table
from settings import Setting, settings

RESULTS: Final = Path(__file__).parent / "results"


def main() -> None:
    options = parse_arguments()
    chosen = [one for one in settings() if not options.only or one.name in options.only]
    if options.quick:
        chosen = [one.quickly() for one in chosen]
    everybody = contestants(options.workers)
    rivals = [one for one in everybody if not options.contestants or one.asked_for_as in options.contestants]
    for line in heading(rivals):
        print(line)
    samples: list[Sample] = []
    for tls in (False, True):
        group = [one for one in chosen if one.tls is tls]
        if group:
            samples += run_group(group, rivals, rounds=options.rounds, tls=tls)
    if options.save:
        print(f"\nwritten to {save(samples, rivals)}")


def parse_arguments() -> argparse.Namespace:
    names = [one.name for one in settings()]
    rivals = [one.name for one in contestants()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests: does everything work?")
    parser.add_argument("--only", nargs="+", choices=names, metavar="SETTING", help=", ".join(names))
    parser.add_argument("--with", nargs="+", choices=rivals, metavar="NAME", dest="contestants", help=", ".join(rivals))
    parser.add_argument(
        "--workers", nargs="+", type=int, default=[1], metavar="N", help="Bursar with so many workers, once for each"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--save", action="store_true", help="write every sample to bench/results as JSON lines")
    return parser.parse_args()


def heading(rivals: list[Contestant]) -> list[str]:
    """When, where, with what and how this ran."""
    lines = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine(), versions(), command()]
    lines += [nginx_version(one.binary) for one in rivals if isinstance(one, Nginx) and one.binary]
    return lines


def run_group(group: list[Setting], rivals: list[Contestant], *, rounds: int, tls: bool) -> list[Sample]:
    """All settings that share a kind of upstream, on one set of processes."""
    samples: list[Sample] = []
    with started(rivals, tls=tls) as running:
        for setting in group:
            own, failures = run_setting(setting, running, rounds=rounds)
            samples += own
            print(f"\n{table(setting.name, own)}", flush=True)
            for name, why in failures.items():
                print(f"  {name} could not do this: {why}")
            for error in {f"{one.contestant}: {one.result.first_error}" for one in own if one.result.errors}:
                print(f"  {error}")
    return samples


def run_setting(
    setting: Setting, running: list[Contestant], *, rounds: int
) -> tuple[list[Sample], dict[str, RuntimeError]]:
    """Rounds of one setting, the contestants taking turns, and who dropped out of it."""
    samples: list[Sample] = []
    failures: dict[str, RuntimeError] = {}
    for number in range(rounds):
        for contestant, load in takes_part(running, setting):
            if contestant.name in failures:
                continue
            try:
                samples.append(measured(setting, contestant, load, number))
            except RuntimeError as failed:
                failures[contestant.name] = failed
    return samples, failures


@contextmanager
def started(rivals: list[Contestant], *, tls: bool) -> Iterator[list[Contestant]]:
    """A provider and every contestant that is there, running in front of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bursar-bench-")))
        secure = ("--tls", str(folder)) if tls else ()
        child, port = script("upstream_server.py", *secure, log=folder / "provider.log")
        stack.enter_context(child)
        provider = Provider(port=port, ca=folder / "ca.pem" if tls else None)
        running = []
        for one in rivals:
            reason = one.missing(provider)
            if reason:
                print(f"{one.name} is left out{' on TLS' if tls else ''}: {reason}")
                continue
            stack.callback(one.stop)
            one.start(provider, folder)
            running.append(one)
        yield running


def takes_part(running: list[Contestant], setting: Setting) -> Iterator[tuple[Contestant, Load]]:
    """Who runs in a setting, with which load."""
    for contestant in running:
        load = setting.slow_load if contestant.is_slow else setting.load
        if load is not None:
            yield contestant, load


def measured(setting: Setting, contestant: Contestant, load: Load, number: int) -> Sample:
    """Run one load against one contestant, and count what that cost it."""
    load = msgspec.structs.replace(load, port=contestant.port, path=contestant.path, headers=contestant.headers)
    with tempfile.TemporaryDirectory(prefix="bursar-load-") as folder:
        generator = start_script("load.py", msgspec.json.encode(load).decode(), log=Path(folder) / "load.log")
        with generator:
            if generator.read_line() != "ready":
                raise RuntimeError("the load generator did not get ready")
            before = contestant.cpu()
            generator.say("go")
            result = msgspec.json.decode(generator.read_line(), type=Result)
            path_ns, beside_ns = contestant.cpu()
    beside_ns += contestant.settle()
    return Sample(
        setting=setting.name,
        contestant=contestant.name,
        round=number,
        is_stream=setting.is_stream,
        rate=load.rate,
        path_ns=path_ns - before[0],
        beside_ns=beside_ns - before[1],
        result=result,
    )


def save(samples: list[Sample], rivals: list[Contestant]) -> Path:
    """Write every sample, after a line that says where they come from."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
    lines = [msgspec.json.encode({"machine": platform.node(), "heading": heading(rivals)})]
    lines += [msgspec.json.encode(one) for one in samples]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


if __name__ == "__main__":
    main()
