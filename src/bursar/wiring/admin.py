"""The admin token of a data folder: made at the first start, readable by its owner alone."""

import os
import secrets
from pathlib import Path
from typing import Final

from msgspec import Struct

from bursar.errors import ConfigError

FILE: Final = "admin-token"

PREFIX: Final = "bsa-"
"""Lets secret scanners find it: `bsa-[A-Za-z0-9_-]{43}`."""

_MODE: Final = 0o600


class AdminTokenFile(Struct, frozen=True):
    """The token, and whether it was made just now."""

    token: str
    path: Path
    is_new: bool


def admin_token(data_dir: Path) -> AdminTokenFile:
    """Read the token, making it if there is none; raises ConfigError when neither can be done.

    Whoever deletes the file and starts the gateway again has a new one.
    """
    path = data_dir / FILE
    try:
        is_new = _make(path, PREFIX + secrets.token_urlsafe(32))
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as failed:
        raise ConfigError(f"the admin token in {path} cannot be used: {failed}") from None
    if not token:
        raise ConfigError(f"the admin token in {path} is empty; delete the file and start again")
    return AdminTokenFile(token, path, is_new)


def _make(path: Path, token: str) -> bool:
    """Write the file whole or not at all; False when there is one already."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = path.with_name(f"{FILE}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True
