"""JSON Schemas of alerts."""

from typing import Any, Final, get_args

from bursar.config import AlertKind
from bursar.console.operation import Schema
from bursar.control.values import EVENTS, SEVERITIES

_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_COUNT: Final[Schema] = {"type": "integer"}


def alert_schemas() -> dict[str, Any]:
    """The schemas by name."""
    return {
        "Delivery": _object(
            {
                "channel": {"type": "string", "description": "The webhook's name."},
                "event": {"enum": list(EVENTS)},
                "attempts": _COUNT,
                "delivered_at": _MAYBE_TEXT,
                "problem": {"type": ["string", "null"], "description": "How the latest failure came about."},
            }
        ),
        "Alert": _object(
            {
                "id": _COUNT,
                "kind": {"enum": list(get_args(AlertKind))},
                "severity": {"enum": list(SEVERITIES)},
                **dict.fromkeys(("subject", "message", "at"), _TEXT),
                "resolved_at": _MAYBE_TEXT,
                "key": {"type": ["string", "null"], "description": "Raised once under this key."},
                "data": {
                    "type": "object",
                    "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
                },
                "runbook": _TEXT,
                "deliveries": {"type": "array", "items": {"$ref": "#/components/schemas/Delivery"}},
            }
        ),
        "Alerts": {"type": "array", "items": {"$ref": "#/components/schemas/Alert"}},
    }


def _object(properties: dict[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}
