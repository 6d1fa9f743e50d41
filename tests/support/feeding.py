"""Ways to cut a body into chunks, and what a tap makes of each."""

from collections.abc import Iterator

from bursar.dialects.base import Reading, Tap

MOST_CUTS = 60
"""Cut points tried for one body, evenly spread; all of them for a body that is shorter."""


def splits(body: bytes) -> Iterator[list[bytes]]:
    """The body whole, in lines, in odd sizes, byte by byte (if it is short), and cut in two at many places."""
    yield [body]
    yield body.splitlines(keepends=True)
    yield [body[at : at + 7] for at in range(0, len(body), 7)] if len(body) < 100_000 else [body[:1], body[1:]]
    if len(body) <= 20_000:
        yield [body[at : at + 1] for at in range(len(body))]
    stride = len(body) // MOST_CUTS + 1
    for cut in range(1, len(body), stride):
        yield [body[:cut], body[cut:]]


def watch(tap: Tap, chunks: list[bytes], *, complete: bool = True) -> tuple[bytes, Reading]:
    """Feed the chunks; what the client got, and the reading."""
    sent = b"".join([tap.feed(chunk) for chunk in chunks]) + tap.flush()
    return sent, tap.finish(complete=complete)
