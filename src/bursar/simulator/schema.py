"""Invent a JSON value that conforms to a JSON Schema (or to Gemini's and OpenAPI's variant of one).

Covers what structured-output APIs accept: objects, arrays, enums, unions, references, bounds, common string formats. A
schema that refers to itself is cut off at `_DEPTH` by leaving out what is optional and taking ``null`` where allowed;
one that has no finite value ends in ``null`` all the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bursar.simulator.ask import Schema
from bursar.simulator.chance import Chance

_DEPTH: Final = 6

_NOUNS: Final = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "juniper")

_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T15:09:26Z",
    "time": "15:09:26Z",
    "duration": "PT15M",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/page",
    "uuid": "0190e3f8-7f3a-7c4e-9d2b-3a5f6c7d8e9f",
}


def example_of(schema: Schema, chance: Chance) -> Any:
    """A value that conforms to the schema; an empty schema gives an object."""
    if not schema:
        return {"result": chance.pick(_NOUNS)}
    return _Example(schema, chance).value(schema, 0)


class _Example:
    """One run over a schema; holds the root, for references."""

    def __init__(self, root: Schema, chance: Chance) -> None:
        self._root = root
        self._chance = chance

    def value(self, schema: Any, depth: int) -> Any:
        if depth > _DEPTH * 4:
            return None
        if not isinstance(schema, Mapping):
            return self._chance.pick(_NOUNS)
        settled = self._settle(schema, depth)
        if "const" in settled:
            return settled["const"]
        if settled.get("enum"):
            return self._chance.pick(settled["enum"])
        return self._typed(settled, depth)

    def _settle(self, schema: Schema, depth: int) -> Schema:
        """Follow references and choose among unions until a plain schema is left."""
        for _ in range(_DEPTH):
            if "$ref" in schema:
                schema = self._resolve(str(schema["$ref"]))
            elif schema.get("anyOf") or schema.get("oneOf"):
                schema = _one_of(schema.get("anyOf") or schema["oneOf"], depth)
            elif schema.get("allOf"):
                schema = _merged(schema)
            else:
                break
        return schema

    def _typed(self, schema: Schema, depth: int) -> Any:
        kind = self._type_of(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        return self._scalar(schema, kind)

    def _scalar(self, schema: Schema, kind: str) -> Any:
        match kind:
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return bool(self._chance.below(2))
            case "null":
                return None
            case _:
                return self._string(schema)

    def _type_of(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            names = [str(one).lower() for one in kind]
            if depth > _DEPTH and "null" in names:
                return "null"
            return next((one for one in names if one != "null"), "null")
        if isinstance(kind, str):
            return kind.lower()
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        wanted = [name for name in properties if depth < _DEPTH or name in required]
        return {name: self.value(properties[name], depth + 1) for name in wanted}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        if schema.get("prefixItems"):
            return [self.value(one, depth + 1) for one in schema["prefixItems"]]
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, 2)))
        wanted = least if depth >= _DEPTH else min(most, max(least, 1 + self._chance.below(2)))
        return [self.value(schema.get("items", {}), depth + 1) for _ in range(wanted)]

    def _number(self, schema: Schema, *, whole: bool) -> float:
        low = _bound(schema, "minimum", "exclusiveMinimum", step=1 if whole else 0.5)
        high = _bound(schema, "maximum", "exclusiveMaximum", step=-1 if whole else -0.5)
        if low is None:
            low = 0 if high is None or high >= 0 else high - 10
        if high is None:
            high = low + 100
        step = schema.get("multipleOf")
        drawn = low + self._chance.below(int(high - low) + 1) if high >= low else low
        if step:
            drawn = -(-low // step) * step
        return drawn if whole else min(float(drawn), float(high))

    def _string(self, schema: Schema) -> str:
        text = _FORMATS.get(str(schema.get("format", "")))
        if text is None:
            text = f"{self._chance.pick(_NOUNS)} {self._chance.pick(_NOUNS)}"
        least = int(schema.get("minLength", 0))
        text = text.ljust(least, "x")
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text

    def _resolve(self, reference: str) -> Schema:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}


def _one_of(options: Sequence[Any], depth: int) -> Schema:
    known = [one for one in options if isinstance(one, Mapping)]
    nulls = [one for one in known if str(one.get("type", "")).lower() == "null"]
    if depth >= _DEPTH and nulls:
        return nulls[0]
    others = [one for one in known if one not in nulls] or known
    return others[-1 if depth >= _DEPTH else 0] if others else {}


def _merged(schema: Schema) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _bound(schema: Schema, inclusive: str, exclusive: str, *, step: float) -> float | None:
    if isinstance(schema.get(inclusive), int | float):
        return float(schema[inclusive]) if isinstance(schema[inclusive], float) else schema[inclusive]
    limit = schema.get(exclusive)
    if isinstance(limit, int | float) and not isinstance(limit, bool):
        return limit + step
    return None
