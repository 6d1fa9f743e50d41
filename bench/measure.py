"""What the kernel knows of a process: CPU time in nanoseconds, resident memory; and what this machine is."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def descendants(pid: int) -> list[int]:
    """All processes below one, children before grandchildren."""
    found: list[int] = []
    for task in _tasks(pid):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *descendants(child)]
    return found


def cpu_ns(pid: int) -> int:
    """CPU time that a process's living threads have run for, user and system, in nanoseconds.

    From ``schedstat``, which is exact; ``stat`` counts in ticks of 10 ms. A thread that ends takes its time with it, so
    the processes measured here must keep theirs (those of this bench do). 0 when the process is gone.
    """
    total = 0
    for task in _tasks(pid):
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def command_of(pid: int) -> list[str]:
    """A process's command line; empty when it is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text().split("\0")
    except OSError:
        return []


def rss_kb(pid: int) -> int:
    """Resident memory of a process in kB (``VmRSS``)."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no VmRSS: it has ended")


def machine() -> str:
    """One line: processor, cores, memory, kernel, load."""
    info = (_PROC / "cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory_kb = int((_PROC / "meminfo").read_text().split()[1])
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores, {memory_kb / 2**20:.0f} GB, "
        f"{platform.system()} {platform.release()}, load {load}"
    )


def versions() -> str:
    """One line: Python, the libraries the relay stands on, and the commit measured."""
    names = ("uvloop", "httptools", "uvicorn", "msgspec")
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"Python {platform.python_version()}, {libraries}, Bursar {_commit()}"


def command() -> str:
    """The command line that is running."""
    return " ".join(["python", *sys.argv])


def _commit() -> str:
    root = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "../src"], cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "of an unknown commit"
    return head.stdout.decode().strip() + (" with uncommitted changes" if changed.stdout.strip() else "")


def _tasks(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []
