"""JSON Schemas of virtual keys and the audit log."""

from typing import Any, Final

import msgspec

from bursar.config import KeyGrant
from bursar.console.operation import Schema

_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_MAYBE_JSON: Final[Schema] = {"type": ["object", "array", "null"]}
_SECRET: Final[Schema] = {"type": "string", "description": "Shown this once."}


def key_schemas() -> dict[str, Any]:
    """The schemas by name."""
    key = {
        **dict.fromkeys(("name", "source", "state", "organisation", "team", "project"), _TEXT),
        "tags": {"type": "object", "additionalProperties": _TEXT},
        **dict.fromkeys(("models", "routes", "networks"), _TEXTS),
        "allow_tags": {"type": "object", "additionalProperties": _TEXTS},
        **dict.fromkeys(
            ("expires_at", "last4", "previous_until", "made_at", "made_by", "rotated_at", "deleted_at"), _MAYBE_TEXT
        ),
    }
    _, components = msgspec.json.schema_components((KeyGrant,))
    grant: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(components["KeyGrant"]))  # tuples become arrays
    return {
        "KeyGrant": grant,
        "KeyChanges": {name: value for name, value in grant.items() if name != "required"},
        "Rotation": {
            "type": "object",
            "properties": {"overlap": {"type": "string", "default": "24h", "description": "90s, 30m, 24h, 7d, 2w"}},
            "additionalProperties": False,
        },
        "Key": _object(key),
        "Keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}},
        "IssuedKey": _object({**key, "secret": _SECRET}),
        "AuditEntry": _object(
            {
                "id": {"type": "integer"},
                **dict.fromkeys(("at", "actor", "action", "subject"), _TEXT),
                **dict.fromkeys(("before", "after"), _MAYBE_JSON),
            }
        ),
        "AuditLog": {"type": "array", "items": {"$ref": "#/components/schemas/AuditEntry"}},
    }


def _object(properties: dict[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}
