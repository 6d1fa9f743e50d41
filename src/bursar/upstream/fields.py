"""The header fields of a request: checked and written once, however often the same ones are sent.

A gateway copies header values from callers, so fields are checked as a whole before a byte leaves: one field must stay
one field, and framing fields belong to the client alone (RFC 9112 §11.1 and §11.2: response splitting, request
smuggling).
"""

from collections.abc import Iterable
from typing import Final

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The characters of a token (RFC 9110 §5.6.2)."""

_NEVER_SENT: Final = frozenset((b"", b"host", b"content-length", b"connection", b"transfer-encoding", b"upgrade"))
"""Names that are the client's own to write, and the name that is none."""

Pair = tuple[bytes, bytes]


class Fields:
    """Names and values in the order in which they are sent; immutable, so that one object may serve many requests."""

    __slots__ = ("_lines", "pairs")

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs: Final = tuple(pairs)
        self._lines: bytes | None = None

    def lines(self) -> bytes:
        """The fields as they go on the wire, each with its line end.

        Raises ValueError naming a field that cannot be sent, never its value: it may be secret.
        """
        if self._lines is None:
            lines = _written(self.pairs)
            if not _is_clean(self.pairs, lines):
                raise ValueError(f"request header {_first_bad_name(self.pairs)!r} cannot be sent")
            self._lines = lines
        return self._lines


def _written(pairs: tuple[Pair, ...]) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])


def _is_clean(pairs: tuple[Pair, ...], lines: bytes) -> bool:
    """Whether the written fields hold the line ends and names that were meant, and nothing else."""
    if not pairs:
        return True
    count = len(pairs)
    if lines.count(b"\r") != count or lines.count(b"\n") != count or b"\0" in lines:
        return False
    # Joined by a character that no name can hold, so that one pass checks them all.
    names = b",".join([name for name, _ in pairs]).lower()
    return names.translate(None, TOKEN) == b"," * (count - 1) and _NEVER_SENT.isdisjoint(names.split(b","))


def _first_bad_name(pairs: tuple[Pair, ...]) -> str:
    bad = [pair[0] for pair in pairs if not _is_clean((pair,), _written((pair,)))]
    return bad[0].decode("latin-1")
