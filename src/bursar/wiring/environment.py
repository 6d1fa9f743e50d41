"""The environment: configuration files, secrets, and what is assumed when there is no configuration at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from bursar.config import Config, load_config, parse_config
from bursar.errors import ConfigError

DEFAULT_FILE: Final = Path("bursar.toml")

_WELL_KNOWN: Final = (
    ("openai", "openai", "OPENAI_API_KEY"),
    ("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini", "GEMINI_API_KEY"),
)
"""Providers of a gateway without a configuration file, and the variable their official SDK reads the key from."""


def read_config(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, Path | None]:
    """The configuration and the file it came from.

    Without ``path`` it is `./bursar.toml`; when that does not exist, the built-in default, which has no file. A file
    that was named and is missing is an error.
    """
    if path is not None:
        return load_config(path), path
    if DEFAULT_FILE.exists():
        return load_config(DEFAULT_FILE), DEFAULT_FILE
    return default_config(environ), None


def default_config(environ: Mapping[str, str]) -> Config:
    """A gateway that works at once: real providers where their key is set, simulated ones elsewhere."""
    providers = []
    for name, dialect, variable in _WELL_KNOWN:
        key = f"env:{variable}" if environ.get(variable) else None
        providers.append(f'[[providers]]\nname = "{name}"\ndialect = "{dialect}"\n')
        providers.append(f'api_key = "{key}"\n' if key else "simulated = true\n")
    for name in ("azure", "bedrock"):
        region = 'region = "us-east-1"\n' if name == "bedrock" else ""
        providers.append(f'[[providers]]\nname = "{name}"\ndialect = "{name}"\n{region}simulated = true\n')
    return parse_config("\n".join(providers), source="built-in configuration")


def data_dir(config: Config, path: Path | None) -> Path:
    """Where this configuration keeps its data: relative to the file it came from."""
    base = path.parent if path is not None else Path()
    return (base / config.server.data_dir).resolve()


def secret(reference: str, environ: Mapping[str, str], *, what: str) -> bytes:
    """Resolve ``env:NAME`` or ``file:PATH``; a value without a scheme is refused, so that keys stay out of files.

    Raises ConfigError naming ``what`` the secret is for.
    """
    scheme, colon, rest = reference.partition(":")
    if colon and scheme == "env":
        value = environ.get(rest)
        if not value:
            raise ConfigError(f"{what}: environment variable {rest} is not set")
        return value.strip().encode("utf-8")
    if colon and scheme == "file":
        try:
            return Path(rest).expanduser().read_bytes().strip()
        except OSError as missing:
            raise ConfigError(f"{what}: cannot read {rest}: {missing.strerror}") from None
    raise ConfigError(f"{what}: write the secret as 'env:NAME' or 'file:PATH', not in the file itself")


def os_environ() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ


class Overrides(Struct, frozen=True):
    """Settings of `[server]` that the command line gives; ``None`` leaves the configuration's own."""

    host: str | None = None
    port: int | None = None
    data_dir: str | None = None
    workers: int | None = None


def with_overrides(config: Config, overrides: Overrides) -> Config:
    """The configuration with command-line settings on top."""
    given = {name: value for name, value in structs.asdict(overrides).items() if value is not None}
    return structs.replace(config, server=structs.replace(config.server, **given))
