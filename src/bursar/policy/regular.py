"""Regular expressions that are matched in time proportional to the value, whatever the pattern.

A pattern comes from the configuration and the value from any caller, and `re` backtracks: with ``(a+)+b`` a value of
thirty letters would hold up every call of the worker. So a pattern is compiled to its position automaton (Glushkov,
"The abstract theory of automata", 1961) and all its ways are followed at once. What such an automaton cannot do (back
references, looking around) is an error at start, not a surprise later.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

MAX_POSITIONS: Final = 256
"""Most characters that a pattern may stand for, its counted repeats written out."""

_MAX_PARTS: Final = 4 * MAX_POSITIONS

_REMEMBERED: Final = 4096

_TOKEN: Final = re.compile(
    r"""(?P<open>\((?:\?:)?(?!\?))
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<repeat>[*+?] | \{(?P<least>\d{1,3})?(?P<comma>,)?(?P<most>\d{1,3})?\})
    | (?P<one>\[\^?\]?(?:\\.|[^\]\\])*\] | \\[dDwWsS] | \\[^A-Za-z0-9] | [^()|*+?{}\[\]\\^$])""",
    re.VERBOSE | re.DOTALL,
)
"""``one`` stands for one character, and is handed to `re` to test one."""


class _One(Struct, frozen=True):
    """One character of a kind."""

    text: str


class _Sequence(Struct, frozen=True):
    """One thing after the other."""

    parts: tuple["_Node", ...]


class _Either(Struct, frozen=True):
    """One of several things."""

    parts: tuple["_Node", ...]


class _Repeat(Struct, frozen=True):
    """The same thing several times."""

    part: "_Node"
    least: int
    most: int | None


_Node = _One | _Sequence | _Either | _Repeat


class _Piece(Struct, frozen=True):
    """Positions (as bits) at which a part of a pattern can begin and end."""

    first: int = 0
    last: int = 0
    is_skippable: bool = True


class Regular:
    """A compiled pattern; immutable, but for the steps it remembers."""

    __slots__ = ("_final", "_follow", "_kinds", "_masks", "_steps", "text")

    def __init__(self, text: str) -> None:
        """Compile ``text``; raises ValueError naming what is not understood."""
        self.text: Final = text
        automaton = _Automaton()
        whole = automaton.add(_Parser(text).parsed())
        self._follow: Final = (whole.first, *automaton.follow)
        self._kinds: Final = tuple((re.compile(kind, re.DOTALL), mask) for kind, mask in automaton.kinds.items())
        self._final: Final = whole.last | (1 if whole.is_skippable else 0)
        self._masks: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}

    def matches(self, value: str) -> bool:
        """Whether the whole value is of the pattern."""
        at, steps = 1, self._steps
        for char in value:
            after = steps.get((at, char))
            at = self._step(at, char) if after is None else after
            if not at:
                return False
        return bool(at & self._final)

    def _step(self, at: int, char: str) -> int:
        reach = 0
        for position in _bits(at):
            reach |= self._follow[position]
        if len(self._steps) >= _REMEMBERED:
            self._steps.clear()
            self._masks.clear()
        mask = self._masks.get(char)
        if mask is None:
            mask = self._masks[char] = sum(mask for kind, mask in self._kinds if kind.match(char))
        after = self._steps[at, char] = reach & mask
        return after


class _Parser:
    """Recursive descent over the tokens of one pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text) - 1 if text.endswith("$") and not text.endswith("\\$") else len(text)
        self._at = 1 if text.startswith("^") else 0
        self._token: re.Match[str] | None = None
        self._next()

    def parsed(self) -> _Node:
        """The whole pattern; ``^`` before and ``$`` after it say what holds anyway."""
        node = self._either()
        if self._token is not None:
            raise self._wrong("a ) closes nothing")
        return node

    def _next(self) -> None:
        if self._at >= self._end:
            self._token = None
            return
        self._token = _TOKEN.match(self._text, self._at, self._end)
        if self._token is None:
            raise self._wrong(f"{self._text[self._at : self._at + 8]!r} is not supported")
        self._at = self._token.end()

    def _either(self) -> _Node:
        parts = [self._sequence()]
        while self._token is not None and self._token.lastgroup == "either":
            self._next()
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Either(tuple(parts))

    def _sequence(self) -> _Node:
        parts = []
        while self._token is not None and self._token.lastgroup not in {"either", "close"}:
            parts.append(self._repeated())
        return _Sequence(tuple(parts))

    def _repeated(self) -> _Node:
        node = self._single()
        token = self._token
        if token is not None and token["repeat"]:
            node = _Repeat(node, *self._counts(token))
            self._next()
            if self._token is not None and self._token["repeat"]:
                raise self._wrong("a repeat follows a repeat")
        return node

    def _single(self) -> _Node:
        token = self._token
        if token is None or token["repeat"]:
            raise self._wrong("a repeat has nothing to repeat")
        self._next()
        if token["one"]:
            self._check_one(token["one"])
            return _One(token["one"])
        node = self._either()
        if self._token is None:
            raise self._wrong("a ( is not closed")
        self._next()
        return node

    def _counts(self, token: re.Match[str]) -> tuple[int, int | None]:
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(token["repeat"])
        if simple is not None:
            return simple
        if token["least"] is None and token["most"] is None:
            raise self._wrong(f"{token['repeat']} is no count")
        least = int(token["least"] or 0)
        most = int(token["most"]) if token["most"] else None if token["comma"] else least
        if most is not None and most < least:
            raise self._wrong(f"{token['repeat']} ends before it begins")
        return least, most

    def _check_one(self, text: str) -> None:
        try:
            re.compile(text)
        except re.error as wrong:
            raise self._wrong(f"{text!r}: {wrong}") from None

    def _wrong(self, what: str) -> ValueError:
        return ValueError(
            f"pattern {self._text!r}: {what}; it may use characters, classes, (a|b), * + ? and {{m,n}}, and is held "
            "against the whole value"
        )


class _Automaton:
    """Collects positions: which can follow which, and which kind of character each of them takes."""

    def __init__(self) -> None:
        self.follow: list[int] = []
        """Of position 1 and on; 0 is where a match starts."""
        self.kinds: dict[str, int] = {}
        self._parts = 0

    def add(self, node: _Node) -> _Piece:
        """Number a part's positions; raises ValueError when there are too many."""
        self._parts += 1
        if len(self.follow) > MAX_POSITIONS or self._parts > _MAX_PARTS:
            raise ValueError(f"a pattern stands for at most {MAX_POSITIONS} characters, repeats written out")
        match node:
            case _One():
                return self._one(node.text)
            case _Either():
                return self._either(node)
            case _Sequence():
                piece = _Piece()
                for part in node.parts:
                    piece = self._joined(piece, self.add(part))
                return piece
            case _Repeat():
                return self._repeat(node)

    def _one(self, text: str) -> _Piece:
        self.follow.append(0)
        bit = 1 << len(self.follow)
        self.kinds[text] = self.kinds.get(text, 0) | bit
        return _Piece(first=bit, last=bit, is_skippable=False)

    def _either(self, node: _Either) -> _Piece:
        pieces = [self.add(part) for part in node.parts]
        first = last = 0
        for piece in pieces:
            first |= piece.first
            last |= piece.last
        return _Piece(first, last, any(piece.is_skippable for piece in pieces))

    def _repeat(self, node: _Repeat) -> _Piece:
        piece = _Piece()
        for _ in range(node.least):
            piece = self._joined(piece, self.add(node.part))
        if node.most is None:
            again = self.add(node.part)
            self._link(again.last, again.first)
            return self._joined(piece, _Piece(again.first, again.last))
        for _ in range(node.most - node.least):
            more = self.add(node.part)
            piece = self._joined(piece, _Piece(more.first, more.last))
        return piece

    def _joined(self, before: _Piece, after: _Piece) -> _Piece:
        self._link(before.last, after.first)
        return _Piece(
            first=before.first | (after.first if before.is_skippable else 0),
            last=after.last | (before.last if after.is_skippable else 0),
            is_skippable=before.is_skippable and after.is_skippable,
        )

    def _link(self, before: int, after: int) -> None:
        for position in _bits(before):
            self.follow[position - 1] |= after


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
