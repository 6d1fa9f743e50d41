"""What the tables ask of an engine: statements in portable SQL, reads that see the latest commit, writes in turn.

Statements use ``?`` for every value. The dialect is what SQLite and PostgreSQL share: text, whole numbers of 64 bits,
``ON CONFLICT``; no engine's own types, functions or sequences. `tables` knows no engine, and an engine knows no table
but the two that it keeps its own counts in.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeVar

import msgspec

from bursar.control.values import Version
from bursar.errors import ControlUnavailable

Value = str | int | None

Row = tuple[Value, ...]

Area = Literal["keys", "rules", "alerts"]
"""What a write changes; one count of `Version` each."""

T = TypeVar("T")


class Sql(Protocol):
    """Runs statements."""

    def rows(self, statement: str, *values: Value) -> Sequence[Row]:
        """All rows of a query."""
        ...

    def row(self, statement: str, *values: Value) -> Row | None:
        """The first row of a query; ``None`` = there is none."""
        ...

    def run(self, statement: str, *values: Value) -> int:
        """Change something; returns how many rows were."""
        ...


class Database(Protocol):
    """One database of control state. Everything raises ControlUnavailable."""

    def reading(self) -> AbstractContextManager[Sql]:
        """For one query at a time; each sees what was committed last."""
        ...

    def writing(self, area: Area) -> AbstractContextManager[Sql]:
        """One transaction, after any other writer's; it moves the version, and is undone when the block raises."""
        ...

    def version(self) -> Version:
        """The counts of changes."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def encoded(value: object) -> str:
    """A value as the JSON text that is kept of it, the same text for equal values."""
    return msgspec.json.encode(value, order="deterministic").decode("utf-8")


def decoded(text: Value, kind: type[T]) -> T:
    """What `encoded` made a text of; raises ControlUnavailable when it is something else."""
    try:
        return msgspec.json.decode(str(text), type=kind)
    except msgspec.MsgspecError as damaged:
        raise ControlUnavailable(f"a row of the control state cannot be read as {kind.__name__}: {damaged}") from None


def whole(value: Value) -> int:
    """A column that holds a whole number; raises ControlUnavailable when it does not."""
    if not isinstance(value, int):
        raise ControlUnavailable(f"a row of the control state has {value!r} where a whole number belongs")
    return value


def maybe_whole(value: Value) -> int | None:
    """A column that holds a whole number or nothing."""
    return None if value is None else whole(value)


def maybe_text(value: Value) -> str | None:
    """A column that holds text or nothing."""
    return None if value is None else str(value)
