"""Reading decoded JSON whose fields may be missing or of any type.

Providers change shapes without notice and a meter must never raise on what passes by. So a field is read by what it
turns out to be; what is not what it should be is `None`, and a count that cannot be one is a problem, not a zero.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from bursar.errors import Refusal

T = TypeVar("T")

MAX_COUNT: Final = 2**53
"""Larger counts are taken for garbage: no request has nine quadrillion tokens, and JSON numbers lose exactness."""

EMPTY_OBJECT: Final[Mapping[str, Any]] = {}

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_ANY: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()


def decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T | None:
    """Decode JSON; ``None`` for anything that is not JSON, is not of the decoder's type, or nests absurdly deep."""
    try:
        return decoder.decode(data)
    except _UNREADABLE:
        return None


def required(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a request body; raises Refusal ``invalid_request`` naming what is wrong with it."""
    try:
        return decoder.decode(body)
    except _UNREADABLE as wrong:
        raise Refusal("invalid_request", f"the request body cannot be read as a JSON object: {wrong}") from None


def document(data: bytes | msgspec.Raw) -> Any:
    """Decode any JSON value; ``None`` when it is not JSON."""
    return decoded(_ANY, data)


def fields(data: bytes | msgspec.Raw) -> Mapping[str, Any]:
    """Decode a JSON object; empty when the data is absent or anything else."""
    return mapping(document(data)) if data else EMPTY_OBJECT


def is_set(data: msgspec.Raw) -> bool:
    """Whether a field is there and not null."""
    return bool(data) and bytes(data) != b"null"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else EMPTY_OBJECT


def objects(value: object) -> list[Mapping[str, Any]]:
    """The JSON objects of a JSON array; other members and other values are left out."""
    return [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """The value if it is a non-empty string."""
    return value if isinstance(value, str) and value else None


def count(holder: Mapping[str, Any], name: str, problems: list[str]) -> int | None:
    """A whole, non-negative quantity; ``None`` when absent or null. Anything else is added to ``problems``."""
    value = holder.get(name)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        problems.append(f"{name} is not a count: {str(value)[:40]}")
        return None
    return value


def whole(value: object) -> int | None:
    """The value if it is a positive whole number that a request may name as a bound."""
    return value if type(value) is int and 0 < value <= MAX_COUNT else None


def string_map(value: object) -> dict[str, str]:
    """The string-valued entries of a JSON object."""
    return {name: entry for name, entry in mapping(value).items() if isinstance(entry, str)}


def json_text(data: bytes | msgspec.Raw) -> str | None:
    """JSON as it came, for keeping; undecodable bytes are replaced. ``None`` when there is none."""
    return bytes(data).decode(errors="replace") if data else None


def encoded(value: object) -> str:
    """A decoded JSON value as text again."""
    return msgspec.json.encode(value).decode()


def utf8_length(value: object) -> int:
    """UTF-8 bytes of a string; 0 for anything else."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode(errors="replace"))
