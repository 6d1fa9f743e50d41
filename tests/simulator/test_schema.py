"""Invented values conform to their schema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.chance import Chance
from bursar.simulator.schema import example_of

scalars = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, st.integers(), st.integers(0, 9)
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers(), min_size=1, max_size=3)),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, arrays and unions of inner schemas."""
    return st.one_of(
        st.builds(
            lambda fields: {"type": "object", "properties": fields, "required": list(fields)},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
        st.builds(
            lambda item, least, more: {"type": "ARRAY", "items": item, "minItems": least, "maxItems": least + more},
            inner,
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=2)),
    )


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value fits one of the schemas made here."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(conforms(value, one) for one in schema["anyOf"])
    match schema["type"]:
        case "object":
            fields = schema["properties"]
            return set(value) == set(fields) and all(conforms(value[name], one) for name, one in fields.items())
        case "ARRAY":
            fits = schema["minItems"] <= len(value) <= schema["maxItems"]
            return fits and all(conforms(one, schema["items"]) for one in value)
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case kind:
            return type(value) is {"string": str, "boolean": bool, "null": type(None)}[kind]


@given(st.recursive(scalars, containers, max_leaves=8), st.integers())
def test_conforms(schema: dict[str, Any], seed: int):
    """Whatever the schema and the seed, the value fits."""
    assert conforms(example_of(schema, Chance(seed)), schema)


def test_reference():
    """References are followed, and a list that contains itself ends."""
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "next"],
            }
        },
    }
    node = example_of(schema, Chance(1))
    depth = 0
    while node is not None:
        assert set(node) == {"name", "next"}
        node = node["next"]
        depth += 1

    assert depth < 20


def test_no_finite_value():
    """A schema without any finite value ends all the same."""
    schema = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}

    assert isinstance(example_of(schema, Chance(1)), dict)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 5}, 5),
        ({"type": "string", "format": "date"}, "2026-03-14"),
        ({"type": ["null", "boolean"], "const": True}, True),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"prefixItems": [{"const": 1}, {"const": "x"}]}, [1, "x"]),
        ({"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6}, 5),
        ({"type": "integer", "minimum": 3, "maximum": 4, "multipleOf": 4}, 4),
    ],
)
def test_fixed(schema: dict[str, Any], expected: object):
    """Schemas with one value give that value."""
    assert example_of(schema, Chance(1)) == expected


@given(st.integers(), st.integers(0, 30), st.integers(0, 10))
def test_length(seed: int, least: int, more: int):
    """Strings keep their bounds."""
    schema = {"type": "string", "minLength": least, "maxLength": least + more}

    assert least <= len(example_of(schema, Chance(seed))) <= least + more
