"""Read a trace, whatever its format: which reader a file needs is told by its name.

`.gz` is unpacked on the way. A folder of agent sessions is one trace, its sessions side by side.
"""

import gzip
import heapq
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from bursar.replay.trace_lines import read_lines
from bursar.replay.trace_request import TraceError, TraceRequest
from bursar.replay.trace_session import read_session
from bursar.replay.trace_table import read_table


def read_trace(path: Path) -> Iterator[TraceRequest]:
    """The requests of a trace file, or of a folder of agent sessions, as they are read.

    Raises TraceError, at the latest when the unreadable line is reached, for what cannot be understood.
    """
    if path.is_dir():
        sessions = sorted(one for one in path.iterdir() if _kind_of(one) == ".json")
        if not sessions:
            raise TraceError(f"{path}: no *.json or *.json.gz session in this folder; name a trace file instead")
        yield from heapq.merge(*(_read_file(one) for one in sessions), key=_arrival)
    else:
        yield from _read_file(path)


def _read_file(path: Path) -> Iterator[TraceRequest]:
    source = str(path)
    try:
        with _opened(path) as lines:
            match _kind_of(path):
                case ".csv":
                    yield from read_table(lines, source=source, delimiter=",")
                case ".tsv":
                    yield from read_table(lines, source=source, delimiter="\t")
                case ".jsonl" | ".ndjson":
                    yield from read_lines(lines, source=source)
                case ".json":
                    yield from read_session(lines.read(), source=source)
                case kind:
                    raise TraceError(f"{source}: {kind or 'no'} suffix; a trace is .csv, .tsv, .jsonl or .json, or .gz")
    except OSError as missing:
        raise TraceError(f"cannot read {source}: {missing.strerror or missing}; check the path") from None
    except (UnicodeDecodeError, EOFError):
        raise TraceError(f"{source}: not UTF-8 text, or a damaged .gz; unpack it and look at the end") from None


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8")
    return path.open(encoding="utf-8", newline="")


def _kind_of(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _arrival(request: TraceRequest) -> float:
    return request.at_s
