"""The API's OpenAPI 3.1 document, made of the table of operations and the lists of fields the answers are made of."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from bursar import __version__
from bursar.console.alerts.schemas import alert_schemas
from bursar.console.budgets.schemas import budget_schemas
from bursar.console.checks.schemas import check_schemas
from bursar.console.keys.schemas import key_schemas
from bursar.console.operation import Operation, Parameter, Schema
from bursar.console.operations import PREFIX, operations_by_path
from bursar.ledger.plain import ATTEMPT_FIELDS, MEASURE_FIELDS
from bursar.ledger.questions import COLUMN_DIMENSIONS, TAG_PREFIX, TIME_DIMENSIONS

_USD: Final[Schema] = {
    "type": ["string", "null"],
    "pattern": r"^-?[0-9]+\.[0-9]{2,12}$",
    "description": "Exact decimal USD; null is unknown, which is not zero.",
}
_COUNT: Final[Schema] = {"type": "integer"}
_DIMENSION: Final[Schema] = {"type": ["string", "integer", "boolean", "null"]}
_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_MAYBE_NUMBER: Final[Schema] = {"type": ["number", "null"]}
_MAYBE_COUNT: Final[Schema] = {"type": ["integer", "null"]}

_COUNTS_OF_ATTEMPT: Final = frozenset({"attempt", "input_tokens", "cached_input_tokens", "output_tokens"})


def openapi_document() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bursar",
            "version": __version__,
            "description": (
                "What LLM calls cost and why. Money is exact decimal text in fields that end in `_usd`; null is "
                "unknown, never zero. What changes something needs the admin token."
            ),
        },
        "paths": {
            PREFIX + path: {one.method.lower(): _operation(one) for one in operations}
            for path, operations in operations_by_path().items()
        },
        "components": {
            "schemas": {**_schemas(), **key_schemas(), **budget_schemas(), **check_schemas(), **alert_schemas()},
            "securitySchemes": {name: {"type": "http", "scheme": "bearer"} for name in ("admin", "key")},
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [_parameter(parameter) for parameter in one.parameters]
    if one.has_filters:
        parameters.append(_FILTERS)
    ok: dict[str, Any] = {"description": one.summary, "content": _json(one.answer)}
    if one.headers:
        ok["headers"] = {name: {"description": text, "schema": _TEXT} for name, text in one.headers.items()}
    refused = {
        str(status): {"description": HTTPStatus(status).phrase, "content": _json("Error")} for status in one.errors
    }
    told: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": one.text,
        "parameters": parameters,
        "responses": {str(one.status): ok, **refused},
    }
    if one.body is not None:
        told["requestBody"] = {"content": _json(one.body)}
    if one.needs_token:
        told["security"] = [{"admin": []}]
    if one.is_question:
        told["security"] = [{"admin": []}, {"key": []}]
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.text,
        "schema": parameter.schema,
    }


_FILTERS: Final[dict[str, Any]] = {
    "name": "filters",
    "in": "query",
    "required": False,
    "style": "form",
    "explode": True,
    "description": (
        f"Any dimension and the value it must have, such as `team=search`; repeat it for alternatives, leave it empty "
        f"for what is not set. Dimensions: {', '.join((*COLUMN_DIMENSIONS, *TIME_DIMENSIONS))}, any tag's name, or "
        f"`{TAG_PREFIX}NAME`."
    ),
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(schema)}}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(properties: dict[str, Schema], *, more: Schema | bool = False) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": more}


def _array(schema: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(schema)}


def _fields(names: Iterable[str], schema: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names, schema)


def _schemas() -> dict[str, Any]:
    measures = {name: _USD if name.endswith("_usd") else _COUNT for name in MEASURE_FIELDS}
    return {
        "Error": _object({"error": _object({"message": _TEXT})}),
        "Document": {"type": "object"},
        "Measures": _object(measures),
        "Group": {
            **_object(measures, more=_DIMENSION),
            "description": "The sums of one group, and one field more for each dimension it was grouped by.",
        },
        "Report": _array("Group"),
        "Attempt": _object({name: _attempt_field(name) for name in ATTEMPT_FIELDS}),
        "Requests": _array("Attempt"),
        "Summary": _object(
            _fields(("today", "week"), _ref("Measures"))
            | _fields(("by_day", "by_team", "by_feature", "by_model"), _array("Group"))
            | {"coverage": _ref("Coverage"), "newest": _array("Attempt")}
        ),
        "Coverage": {
            **_object(
                _fields(("tagged_cost_percent", "tagged_requests_percent"), _MAYBE_NUMBER)
                | {"untagged_cost_usd": _USD, "untagged_requests": _COUNT}
            ),
            "description": "How much of the last seven days carries every tag that its rules ask for.",
        },
        "CostLine": _object(
            _fields(("meter", "unit"), _TEXT) | {"quantity": _COUNT, "unit_price_usd": _TEXT, "cost_usd": _USD}
        ),
        "AttemptExplained": _attempt_explained(),
        "Correction": _object(
            _fields(("attempt", "revision"), _COUNT)
            | _fields(("recorded_at", "price_status", "reason"), _TEXT)
            | {"cost_usd": _USD}
            | _fields(("card", "card_source"), _MAYBE_TEXT)
        ),
        "Explanation": _explanation(),
    }


def _attempt_field(name: str) -> Schema:
    if name == "cost_usd":
        return _USD
    if name == "total_ms":
        return _MAYBE_COUNT
    if name in _COUNTS_OF_ATTEMPT:
        return _COUNT
    return _MAYBE_TEXT


def _explanation() -> dict[str, Any]:
    return _object(
        _fields(
            (
                "id",
                "status",
                "at",
                "organisation",
                "team",
                "project",
                "key",
                "provider",
                "dialect",
                "operation",
                "price_status",
            ),
            _TEXT,
        )
        | _fields(("task", "task_type", "requested_model", "model"), _MAYBE_TEXT)
        | {
            "tags": {"type": "object", "additionalProperties": _TEXT},
            "stream": {"type": "boolean"},
            "cost_usd": _USD,
            "lines": _array("CostLine"),
            "attempts": _array("AttemptExplained"),
            "corrections": _array("Correction"),
        }
    )


def _attempt_explained() -> dict[str, Any]:
    return _object(
        _fields(("attempt", "revision", "request_bytes", "response_bytes"), _COUNT)
        | _fields(("outcome", "provider", "usage_status", "certainty", "price_status", "catalog", "config"), _TEXT)
        | _fields(
            (
                "error",
                "model",
                "service_tier",
                "response_id",
                "provider_request_id",
                "raw_usage",
                "card",
                "card_source",
            ),
            _MAYBE_TEXT,
        )
        | _fields(("cost_usd", "list_cost_usd", "provider_cost_usd", "bound_usd"), _USD)
        | _fields(("sent_ms", "first_byte_ms", "last_byte_ms", "total_ms"), _MAYBE_NUMBER)
        | {
            "http_status": _MAYBE_COUNT,
            "usage": {"type": "object", "additionalProperties": _COUNT},
            "lines": _array("CostLine"),
            "decisions": {"type": "array", "items": _TEXT},
        }
    )
