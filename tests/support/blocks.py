"""The code blocks of a documentation page, with the heading and the marks they stand under."""

from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """One fenced block."""

    heading: str
    language: str
    marks: tuple[str, ...]
    """The words after the language: what kind of block it is."""
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a Markdown page, in order; a fence that is not closed is an error."""
    found: list[Block] = []
    heading = ""
    opening: tuple[int, list[str]] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if opening is not None:
            if line == "```":
                at, words = opening
                found.append(Block(heading, words[0], tuple(words[1:]), "\n".join(lines) + "\n", at))
                opening = None
            else:
                lines.append(line)
        elif line.startswith("```"):
            opening, lines = (number, line[3:].split()), []
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    if opening is not None:
        raise ValueError(f"{page}:{opening[0]}: the block is not closed")
    return found
