"""JSON Schemas of budgets."""

from typing import Any, Final

import msgspec

from bursar.config import Budget
from bursar.console.operation import Schema
from bursar.control.budgetbook import Grant

_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_MAYBE_COUNT: Final[Schema] = {"type": ["integer", "null"]}
_COUNT: Final[Schema] = {"type": "integer"}

_AMOUNTS: Final = ("limit", "spent", "held", "remaining")


def budget_schemas() -> dict[str, Any]:
    """The schemas by name."""
    _, components = msgspec.json.schema_components((Budget, Grant))
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(components))  # tuples become arrays
    terms, grant = plain["Budget"], plain["Grant"]
    made = {
        **terms["properties"],
        "source": {"enum": ["file", "control"]},
        **dict.fromkeys(("made_at", "made_by", "changed_at"), _MAYBE_TEXT),
    }
    standing = {
        "account": _MAYBE_TEXT,
        **{f"{name}_usd": _MAYBE_TEXT for name in _AMOUNTS},
        **{f"{name}_tokens": _MAYBE_COUNT for name in _AMOUNTS},
        "resets_at": _MAYBE_TEXT,
    }
    top_up = {
        "id": _COUNT,
        "budget": _TEXT,
        "account": {"type": ["array", "null"], "items": _TEXT},
        "usd": _MAYBE_TEXT,
        "tokens": _MAYBE_COUNT,
        "from": _TEXT,
        "until": _MAYBE_TEXT,
        "reason": _TEXT,
        **dict.fromkeys(("made_at", "made_by"), _TEXT),
        "cancelled_at": _MAYBE_TEXT,
    }
    return {
        "BudgetTerms": terms,
        "BudgetChanges": {name: value for name, value in terms.items() if name != "required"},
        "TopUpGrant": grant,
        "BudgetMade": _object(made),
        "Budgets": {"type": "array", "items": _object({**made, **standing})},
        "BudgetAccount": _object(standing),
        "TopUp": _object(top_up),
        "BudgetWhole": _object({**made, "accounts": _array("BudgetAccount"), "top_ups": _array("TopUp")}),
    }


def _object(properties: dict[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _array(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
