"""What a check found."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True):
    """One line of the table."""

    check: str
    state: State
    """``fail``: something does not work or cannot be trusted; ``warn``: it soon may not, or somebody should know."""
    detail: str


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", detail)


def warn(check: str, detail: str) -> Finding:
    """Somebody should know."""
    return Finding(check, "warn", detail)


def fail(check: str, detail: str) -> Finding:
    """Something does not work."""
    return Finding(check, "fail", detail)
