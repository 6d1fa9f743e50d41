"""JSON Schemas of looking at a request."""

from typing import Any, Final

from bursar.console.operation import Schema
from bursar.gateway.question import DEFAULT_PATH

_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_MAYBE_COUNT: Final[Schema] = {"type": ["integer", "null"]}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_TAGS: Final[Schema] = {"type": "object", "additionalProperties": _TEXT}


def check_schemas() -> dict[str, Any]:
    """The schemas by name."""
    question = {
        "path": {**_TEXT, "default": DEFAULT_PATH, "description": "Path and query as sent to the gateway."},
        "method": {**_TEXT, "default": "POST"},
        "headers": {**_TAGS, "default": {}, "description": "Such as x-bursar-feature; content-type is JSON."},
        "body": {"description": "The request's body, any JSON."},
        "key": {**_MAYBE_TEXT, "default": None, "description": "Name of a virtual key; only with the admin token."},
    }
    refusal = {"code": _TEXT, "status": {"type": "integer"}, "message": _TEXT, "retry_after_s": _MAYBE_COUNT}
    line = {"what": _TEXT, "quantity": {"type": "integer"}, "unit_price_usd": _TEXT, "most_usd": _TEXT}
    gate = {
        **dict.fromkeys(("kind", "name", "measure", "mode", "on_failure", "this_request"), _TEXT),
        **dict.fromkeys(("account", "limit", "spent", "held", "remaining", "free_at", "resets"), _MAYBE_TEXT),
        "has_room": {"type": ["boolean", "null"]},
    }
    return {
        "CheckQuestion": {"type": "object", "properties": question, "additionalProperties": False},
        "CheckRefusal": _object(refusal),
        "CheckLine": _object(line),
        "CheckGate": _object(gate),
        "Check": _object(
            {
                "verdict": {"enum": ["send", "refuse"]},
                "refusal": {"anyOf": [_ref("CheckRefusal"), {"type": "null"}]},
                **dict.fromkeys(
                    ("key", "organisation", "team", "project", "provider", "operation", "model", "task", "task_type"),
                    _MAYBE_TEXT,
                ),
                "tags": _TAGS,
                "missing_tags": _TEXTS,
                "dialect": _TEXT,
                "stream": {"type": "boolean"},
                **dict.fromkeys(("card", "bound_usd", "unbounded", "stop_at_usd"), _MAYBE_TEXT),
                "bound": {"type": "array", "items": _ref("CheckLine")},
                **dict.fromkeys(("bound_tokens", "output_cap"), _MAYBE_COUNT),
                "gates": {"type": "array", "items": _ref("CheckGate")},
                "decisions": _TEXTS,
            }
        ),
    }


def _object(properties: dict[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
