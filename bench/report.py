"""Turns samples into medians, pairwise ratios and aligned tables."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from load import Result

FLOOR: Final = "bare relay"
NOTHING_BETWEEN: Final = "direct"


class Sample(msgspec.Struct, frozen=True):
    """One contestant, one setting, one round."""

    setting: str
    contestant: str
    round: int
    is_stream: bool
    rate: float | None
    path_ns: int
    """CPU of the contestant's processes on the request's path."""
    beside_ns: int
    """CPU of its processes beside the path."""
    result: Result

    @property
    def units(self) -> int:
        """What costs are divided by: chunks of streams, else answers."""
        return self.result.events if self.is_stream else self.result.answers

    @property
    def path_us(self) -> float:
        return self.path_ns / 1000 / self.units if self.units else math.nan

    @property
    def beside_us(self) -> float:
        return self.beside_ns / 1000 / self.units if self.units else math.nan

    @property
    def answer_us(self) -> float:
        """CPU per answer, whatever its length."""
        return self.path_ns / 1000 / self.result.answers if self.result.answers else math.nan


class Line(msgspec.Struct, frozen=True):
    """A contestant's medians in one setting."""

    contestant: str
    path_us: float
    ratio: float
    """Median over rounds of this contestant's CPU over the bare relay's in the same round."""
    ratio_range: tuple[float, float]
    beside_us: float
    answer_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    added_p50_ms: float
    """Over the direct way, in the same round."""
    added_p99_ms: float
    errors: int


def summarise(samples: Sequence[Sample]) -> list[Line]:
    """One line for each contestant of one setting; ratios and differences are taken within each round."""
    floor = {one.round: one for one in samples if one.contestant == FLOOR}
    direct = {one.round: one for one in samples if one.contestant == NOTHING_BETWEEN}
    names = dict.fromkeys(one.contestant for one in samples)
    return [_line(name, [one for one in samples if one.contestant == name], floor, direct) for name in names]


def _line(name: str, own: list[Sample], floor: dict[int, Sample], direct: dict[int, Sample]) -> Line:
    ratios = [one.path_us / floor[one.round].path_us for one in own if one.round in floor and one.path_ns]
    pairs = [(one.result, direct[one.round].result) for one in own if one.round in direct]
    return Line(
        contestant=name,
        path_us=median(one.path_us for one in own),
        ratio=median(ratios) if ratios else math.nan,
        ratio_range=(min(ratios), max(ratios)) if ratios else (math.nan, math.nan),
        beside_us=median(one.beside_us for one in own),
        answer_us=median(one.answer_us for one in own),
        per_second=median(one.units / one.result.seconds for one in own),
        p50_ms=median(one.result.p50_ms for one in own),
        p99_ms=median(one.result.p99_ms for one in own),
        added_p50_ms=median(mine.p50_ms - bare.p50_ms for mine, bare in pairs) if pairs else math.nan,
        added_p99_ms=median(mine.p99_ms - bare.p99_ms for mine, bare in pairs) if pairs else math.nan,
        errors=sum(one.result.errors for one in own),
    )


def table(setting: str, samples: Sequence[Sample]) -> str:
    """The lines of one setting, aligned."""
    first = samples[0]
    unit = "chunk" if first.is_stream else "request"
    head = ["", f"CPU us/{unit}", "x floor", "(range)", "ledger us", f"{unit}s/s", "p50 ms", "p99 ms"]
    if first.is_stream:
        head[6:] = ["CPU us/stream"]
    else:
        head += ["+p50 ms", "+p99 ms"]
    head.append("errors")
    rows = [[*_cells(line, is_stream=first.is_stream), str(line.errors)] for line in summarise(samples)]
    rates = sorted({one.rate for one in samples if one.rate is not None}, reverse=True)
    paced = f", arrivals at {' or '.join(f'{rate:g}/s' for rate in rates)}" if rates else ""
    rounds = max(one.round for one in samples) + 1
    return f"{setting}{paced} (median of {rounds} rounds)\n{aligned([head, *rows])}"


def _cells(line: Line, *, is_stream: bool) -> list[str]:
    cells = [
        line.contestant,
        _number(line.path_us or math.nan, 1),
        _number(line.ratio, 2),
        "-" if math.isnan(line.ratio) else f"{line.ratio_range[0]:.2f}-{line.ratio_range[1]:.2f}",
        _number(line.beside_us or math.nan, 1),
        _number(line.per_second, 0),
    ]
    if is_stream:
        return [*cells, _number(line.answer_us or math.nan, 0)]
    times = (line.p50_ms, line.p99_ms, line.added_p50_ms, line.added_p99_ms)
    return cells + [_number(value, 2) for value in times]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (cell for cell in row)
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join((first.ljust(widths[0]), *numbers)).rstrip())
    return "\n".join(lines)


def _number(value: float, places: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{places}f}"
