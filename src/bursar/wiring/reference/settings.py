"""The settings of `bursar.toml`, from the structs of `bursar.config`: types, defaults and attribute docstrings."""

import ast
import importlib
import inspect
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, UNSET
from msgspec import inspect as types
from msgspec.structs import FieldInfo

from bursar import config
from bursar.config import Config, Section
from bursar.wiring.reference.markdown import table

_HEAD: Final = ("key", "type", "default", "meaning")

_UNSET: Final = "–"


def settings() -> str:
    """A section for each table of the file."""
    docs = attribute_docs()
    parts = [_section(name, kind, docs, is_array=is_array) for name, kind, is_array in sections()]
    return "\n\n".join(parts)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, every key with its meaning."""
    docs = attribute_docs()
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bursar.toml",
        **config.json_schema(),
    }
    for name, definition in schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            if (name, key) in docs:
                field["description"] = docs[name, key]
    return schema


def sections() -> Iterator[tuple[str, type[Section], bool]]:
    """(name, struct, whether it is an array of tables) of every top-level table, in the order of the file."""
    for field in msgspec.structs.fields(Config):
        kind = field.type
        element = next((one for one in getattr(kind, "__args__", ()) if one is not Ellipsis), None)
        yield field.encode_name, element or kind, element is not None


def attribute_docs() -> dict[tuple[str, str], str]:
    """The docstring under each field, inherited ones included, by (struct, field), on one line."""
    docs: dict[tuple[str, str], str] = {}
    for node in (one for module in _modules() for one in ast.parse(inspect.getsource(module)).body):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _text_of(after)
                if text is not None:
                    docs[node.name, field.target.id] = " ".join(text.split())
    for _, kind, _ in sections():
        mine = {
            name: text
            for base in reversed(kind.__mro__)
            for (owner, name), text in docs.items()
            if owner == base.__name__
        }
        docs |= {(kind.__name__, name): text for name, text in mine.items()}
    return docs


def type_words(kind: types.Type) -> str:
    """A type as people say it, with its bounds; raises TypeError for one that has no words yet."""
    match kind:
        case types.Metadata():
            said = (kind.extra_json_schema or {}).get("description", "")
            words = _KNOWN.get(said) or type_words(kind.type)
        case types.UnionType():
            words = " or ".join(type_words(one) for one in kind.types if not isinstance(one, types.NoneType))
        case types.LiteralType():
            words = ", ".join(f"`{json.dumps(value)}`" for value in kind.values)
        case types.VarTupleType():
            words = f"list of {type_words(kind.item_type)}"
        case types.DictType():
            words = f"table of {type_words(kind.value_type)}"
        case types.IntType() | types.FloatType():
            words = ("whole number" if isinstance(kind, types.IntType) else "number") + _bounds(kind)
        case types.BoolType() | types.StrType():
            words = "true or false" if isinstance(kind, types.BoolType) else "text"
        case _:
            raise TypeError(f"a setting of {kind} has no words yet")
    return words


_KNOWN: Final = {
    "A secret as `env:NAME` or `file:PATH`.": "secret",
    "Decimal USD as text, exact.": "USD as text",
}
"""Types that are known by their description."""


def _modules() -> Iterator[ModuleType]:
    """The modules whose structs the file's tables are."""
    names = sorted({Section.__module__, Config.__module__, *(kind.__module__ for _, kind, _ in sections())})
    return (importlib.import_module(name) for name in names)


def _section(name: str, kind: type[Section], docs: dict[tuple[str, str], str], *, is_array: bool) -> str:
    title = f"[[{name}]]" if is_array else f"[{name}]"
    rows = [
        (f"`{field.encode_name}`", type_words(_type_of(kind, field)), _default(field), docs[kind.__name__, field.name])
        for field in msgspec.structs.fields(kind)
    ]
    return f"### `{title}`\n\n{inspect.getdoc(kind)}\n\n{table(_HEAD, rows)}"


def _type_of(kind: type[Section], field: FieldInfo) -> types.Type:
    info = types.type_info(kind)
    if not isinstance(info, types.StructType):
        raise TypeError(f"{kind} is no table")
    return next(one.type for one in info.fields if one.name == field.name)


def _default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default_factory is not NODEFAULT else field.default
    if value is None or value is UNSET:
        return _UNSET
    return f"`{json.dumps(value)}`"


def _bounds(kind: types.IntType | types.FloatType) -> str:
    words = []
    if kind.ge is not None:
        words.append(f"≥ {kind.ge}")
    if kind.gt is not None:
        words.append(f"> {kind.gt}")
    if kind.le is not None:
        words.append(f"≤ {kind.le}")
    return f" {', '.join(words)}" if words else ""


def _text_of(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return None
