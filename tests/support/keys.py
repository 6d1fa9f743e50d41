"""Virtual keys that are made in a data folder, with secrets that are the same in every run."""

from pathlib import Path
from typing import Self

from bursar.config import KeyGrant
from bursar.control.keybook import Issued, KeyBook
from bursar.control.open import open_control
from bursar.control.values import Author
from support.ledger_records import START_US, FixedClock


class Drawn:
    """Bytes that look random enough and repeat."""

    def __init__(self) -> None:
        self.turn = 0

    def __call__(self, size: int) -> bytes:
        self.turn += 1
        return bytes((self.turn * 31 + place * 17) % 256 for place in range(size))


class KeyMaker:
    """Changes keys as another process would: a context manager over a folder's control state."""

    def __init__(self, data_dir: Path, *, now_us: int = START_US) -> None:
        self.control = open_control(data_dir, FixedClock(now_us))
        self.book = KeyBook(self.control.keys, (), draw=Drawn())
        self.author = Author("ana", now_us)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()

    def create(self, name: str, **terms: object) -> str:
        """Make a key; returns its secret."""
        return self.issue(name, **terms).secret

    def issue(self, name: str, **terms: object) -> Issued:
        """Make a key."""
        return self.book.create(KeyGrant(name=name, **terms), self.author)
