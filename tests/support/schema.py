"""The little of JSON Schema that the API's own document uses: what a value has against a schema."""

import re

_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def faults(value, schema, schemas, path="$") -> list[str]:
    """Every place where a value is not what the schema says."""
    if "$ref" in schema:
        return faults(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, path)
    kinds = schema.get("type", list(_KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not any(isinstance(value, _KINDS[kind]) and _is_kind(value, kind) for kind in kinds):
        return [f"{path} is {type(value).__name__}, not {' or '.join(kinds)}"]
    found = []
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{path} does not match {schema['pattern']}")
    if isinstance(value, list):
        for position, item in enumerate(value):
            found += faults(item, schema.get("items", {}), schemas, f"{path}[{position}]")
    if isinstance(value, dict):
        found += _object_faults(value, schema, schemas, path)
    return found


def _is_kind(value, kind) -> bool:
    return not isinstance(value, bool) or kind == "boolean"


def _object_faults(value, schema, schemas, path) -> list[str]:
    properties = schema.get("properties", {})
    found = [f"{path} lacks {name}" for name in schema.get("required", []) if name not in value]
    more = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            found += faults(item, properties[name], schemas, f"{path}.{name}")
        elif more is False:
            found.append(f"{path} has {name}, which the schema does not know")
        elif isinstance(more, dict):
            found += faults(item, more, schemas, f"{path}.{name}")
    return found
