"""The tables that say who calls and which labels a call must carry."""

from typing import Literal

from bursar.config.section import Name, Secret, Section


class Key(Section, frozen=True):
    """A virtual key handed to a caller; only its hash is kept in memory."""

    name: Name
    """Shown in reports."""
    key: Secret
    """The key itself."""
    organisation: str = ""
    """Organisation charged."""
    team: str = ""
    """Team charged."""
    project: str = ""
    """Project charged."""
    tags: dict[str, str] = {}
    """Default tags; request headers override them."""
    enabled: bool = True
    """A disabled key is answered with 401."""


class Tags(Section, frozen=True):
    """Which tags a request must carry."""

    required: tuple[str, ...] = ()
    """Tag names every request needs."""
    allowed: dict[str, tuple[str, ...]] = {}
    """Allowed values by tag name."""
    on_missing: Literal["reject", "mark"] = "mark"
    """Refuse with 400, or admit and mark the row `untagged`."""
