"""Lists of names in which `*` stands for any run of characters.

Values are whatever a caller sends, so matching takes time in proportion to the value's length whatever the pattern:
each part is searched once from where the one before ended. (A regular expression of several ``.*`` would try every
combination.)
"""

from collections.abc import Iterable

from msgspec import Struct

ANY = "*"


class Patterns(Struct, frozen=True):
    """A list of exact names and of patterns."""

    texts: tuple[str, ...]
    """As they were written."""
    exact: frozenset[str]
    globs: tuple[tuple[str, ...], ...]
    """Each pattern's parts between its stars."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Patterns":
        """Sort names from patterns."""
        written = tuple(texts)
        return cls(
            texts=written,
            exact=frozenset(one for one in written if ANY not in one),
            globs=tuple(tuple(one.split(ANY)) for one in written if ANY in one),
        )

    def matches(self, value: str) -> bool:
        """Whether the value is one of the names or fits one of the patterns."""
        return value in self.exact or any(_fits(parts, value) for parts in self.globs)

    def __str__(self) -> str:
        return ", ".join(self.texts)


def _fits(parts: tuple[str, ...], value: str) -> bool:
    first, *middle, last = parts
    at, end = len(first), len(value) - len(last)
    if at > end or not value.startswith(first) or not value.endswith(last):
        return False
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
