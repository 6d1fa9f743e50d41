"""From TOML text to a checked `Config`, with errors that name the key and the nearest valid one."""

import difflib
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from bursar.config.root import Config
from bursar.config.section import Section
from bursar.errors import ConfigError


def parse_config(text: str, *, source: str) -> Config:
    """Parse TOML text; raises ConfigError naming ``source``, the key and the nearest valid spelling."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ConfigError(f"{source}: not valid TOML: {broken}") from None
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as invalid:
        raise ConfigError(f"{source}: {_explain(str(invalid))}") from None
    _check_unique(config, source)
    return config


def load_config(path: Path) -> Config:
    """Read and parse a configuration file; raises ConfigError when it is missing or invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as missing:
        raise ConfigError(f"cannot read {path}: {missing.strerror}; give another file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    return parse_config(text, source=str(path))


def digest_of(config: Config) -> str:
    """A short stable hash of the configuration's content, kept with every row."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `bursar.toml`."""
    return msgspec.json.schema(Config)


_UNKNOWN: Final = re.compile(r"unknown field `([^`]+)`(?: - at `\$?(.*)`)?")
_AT: Final = re.compile(r"^(.*) - at `\$?\.?(.*)`$")


def _explain(message: str) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown:
        name, where = unknown.group(1), (unknown.group(2) or "").lstrip(".")
        valid = _valid_names(where)
        near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"valid keys are {', '.join(valid)}"
        return f"unknown key '{name}' in [{_spot(where)}]; {hint}"
    at = _AT.match(message)
    return f"{_spot(at.group(2))}: {at.group(1)}" if at else message


def _spot(where: str) -> str:
    return where or "top level"


def _valid_names(where: str) -> list[str]:
    kind: Any = Config
    for part in re.findall(r"[A-Za-z_]+", where):
        fields = {one.encode_name: one.type for one in msgspec.structs.fields(kind)}
        kind = fields.get(part, Config)
        kind = next((arg for arg in getattr(kind, "__args__", ()) if _is_section(arg)), kind)
        if not _is_section(kind):
            return []
    return [one.encode_name for one in msgspec.structs.fields(kind)]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _check_unique(config: Config, source: str) -> None:
    for table, names in (
        ("providers", [one.name for one in config.providers]),
        ("keys", [one.name for one in config.keys]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"{source}: [[{table}]] name '{min(twice)}' is used twice; names must be unique")
