"""Read a JSON request body leniently, the way public APIs are used: by field, with the type that is wanted."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bursar.simulator.exchange import Call, Problem

Fields = Mapping[str, Any]


def json_body(call: Call) -> Fields:
    """The body as an object; a `Problem` when it is not one."""
    try:
        body = msgspec.json.decode(call.body)
    except msgspec.DecodeError:
        raise Problem("invalid", "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise Problem("invalid", "The JSON body must be an object.")
    return body


def text(fields: Fields, name: str, default: str = "") -> str:
    """A string, or the default."""
    value = fields.get(name)
    return value if isinstance(value, str) else default


def number(fields: Fields, *names: str) -> int | None:
    """The first of these fields that is a whole number."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def mapping(fields: Fields, name: str) -> Fields:
    """An object, or an empty one."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def objects(fields: Fields, name: str) -> list[Fields]:
    """The objects of a list; what is not an object is passed over."""
    value = fields.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def strings(fields: Fields, name: str) -> tuple[str, ...]:
    """A string or a list of strings, as a tuple."""
    value = fields.get(name)
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
