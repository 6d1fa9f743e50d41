"""A key as one flat row."""

from collections.abc import Mapping
from typing import Final

from bursar.cli.output import Row
from bursar.config import Key
from bursar.control.keybook import key_fields
from bursar.control.values import KeyRecord

COLUMNS: Final = (
    "name",
    "state",
    "source",
    "organisation",
    "team",
    "project",
    "tags",
    "models",
    "routes",
    "allow_tags",
    "networks",
    "expires_at",
    "last4",
    "previous_until",
    "made_at",
    "made_by",
    "rotated_at",
    "deleted_at",
)


def flat_row(key: Key | KeyRecord, *, now_us: int) -> Row:
    """The fields of a key, lists and tables as text; what it does not restrict is ``None``."""
    return {name: _flat(value) for name, value in key_fields(key, now_us=now_us).items()}


def _flat(value: object) -> str | None:
    match value:
        case Mapping():
            pairs = ((name, _flat(one) if isinstance(one, tuple) else one) for name, one in value.items())
            return " ".join(f"{name}={one or ''}" for name, one in pairs) or None
        case tuple():
            return ",".join(map(str, value)) or None
        case _:
            return str(value) if value else None
