"""Drive a tap over a body in any pieces."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from bursar.dialects.base import Reading, Tap


def run(tap: Tap, chunks: Iterable[bytes], *, complete: bool = True) -> tuple[bytes, Reading]:
    """What the client gets, and what was read."""
    out = b"".join([*map(tap.feed, chunks)])
    return out + tap.flush(), tap.finish(complete=complete)


def pieces(body: bytes, points: Iterable[int]) -> list[bytes]:
    """The body cut at the given points."""
    edges = [0, *sorted(points), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def splits(body: bytes, *, most: int = 40, seed: int = 7) -> Iterator[list[bytes]]:
    """The body by events, byte by byte when it is short enough, and cut in two at about ``most`` of its points."""
    yield [line for line in body.splitlines(keepends=True) if line]
    yield [event + b"\n\n" for event in body.split(b"\n\n")[:-1]] + [body.split(b"\n\n")[-1]]
    yield pieces(body, range(1, len(body), 1 if len(body) < 50_000 else 97))
    stride = max(1, (len(body) - 1) // most)
    for point in range(1 + seed % stride, len(body), stride):
        yield pieces(body, [point])
