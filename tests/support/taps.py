"""Drive a tap over a body in any pieces."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from bursar.dialects.base import Dialect, Endpoint, Reading, Request, Tap


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


def ask(
    dialect: Dialect, path: str, body: bytes, *, content_type: str = "application/json"
) -> tuple[Endpoint, Request]:
    """The endpoint of a POST and what the dialect reads of its body."""
    endpoint = dialect.match("POST", path)
    assert endpoint is not None, path
    return endpoint, dialect.read(endpoint, content_type, body)


def answer(
    dialect: Dialect,
    asked: tuple[Endpoint, Request],
    body: bytes,
    *,
    content_type: str = "application/json",
    status: int = 200,
    complete: bool = True,
) -> Reading:
    """The reading of an answer that came in one piece; the client must have got it unchanged."""
    tap = dialect.tap(*asked, status=status, content_type=content_type, headers={})
    out, reading = run(tap, [body], complete=complete)
    assert out == body
    return reading
