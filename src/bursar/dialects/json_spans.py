"""Where the members of a JSON object lie in its source text, so that one value can be changed and no other byte.

The source must already be known to be valid JSON: this finds positions, it does not validate. It is used only on
requests whose body has to change; everything else is decoded without positions.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPENING: Final = b"{["
_CLOSING: Final = b"}]"
_QUOTE: Final = ord('"')
_COLON: Final = ord(":")


class Member(NamedTuple):
    """One member: its decoded name and the byte span of its value."""

    name: str
    start: int
    end: int


def members(source: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the JSON object that opens at ``start``, in source order, duplicates included."""
    depth = 0
    name: str | None = None
    value_start = value_end = -1
    for token in _TOKEN.finditer(source, start):
        symbol = source[token.start()]
        depth -= symbol in _CLOSING
        if name is not None and _ends_member(symbol, depth):
            yield Member(name, value_start, value_end)
            name, value_start = None, -1
        elif name is not None and not (depth == 1 and symbol == _COLON):
            value_start = token.start() if value_start < 0 else value_start
            value_end = token.end()
        elif name is None and depth == 1 and symbol == _QUOTE:
            name = msgspec.json.decode(token.group(), type=str)
        if depth == 0 and symbol in _CLOSING:
            return
        depth += symbol in _OPENING


def append_member(source: bytes, member: bytes) -> bytes:
    """Add a member at the end of an object, where it also outranks any duplicate before it."""
    close = source.rindex(b"}")
    is_empty = source[:close].rstrip().endswith(b"{") and next(members(source), None) is None
    return source[:close] + (b"" if is_empty else b",") + member + source[close:]


def _ends_member(symbol: int, depth: int) -> bool:
    return (depth == 1 and symbol == ord(",")) or (depth == 0 and symbol in _CLOSING)
