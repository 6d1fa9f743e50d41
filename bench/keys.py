"""What finding out who calls costs: a key of the control state, beside few and very many others."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bursar.clock import SystemClock
from bursar.config import KeyGrant
from bursar.control.cached import CachedKeys
from bursar.control.open import open_control
from bursar.policy.identity import build_keyring
from bursar.policy.secret import hash_key, make_key

FEW: Final = 100
MANY: Final = 100_000


@contextmanager
def key_steps() -> Iterator[list[tuple[str, Callable[[], object]]]]:
    """Identify the caller of a key that was seen before, with few and with very many keys in the database."""
    with tempfile.TemporaryDirectory(prefix="bursar-keys-") as folder:
        yield [
            (f"keys: one of {count:,}, seen before", _identify(Path(folder) / str(count), count))
            for count in (FEW, MANY)
        ]


def _identify(folder: Path, count: int) -> Callable[[], object]:
    folder.mkdir()
    clock = SystemClock()
    control = open_control(folder, clock)
    secrets = [make_key(number.to_bytes(32, "big")) for number in range(count)]
    with closing(sqlite3.connect(folder / "control.sqlite")) as database, database:
        terms = [msgspec.json.encode(KeyGrant(name=f"k{number}", team="search")).decode() for number in range(count)]
        database.executemany(
            "INSERT INTO virtual_keys VALUES (?, ?, 0, 'bench', NULL, NULL)",
            ((f"k{number}", text) for number, text in enumerate(terms)),
        )
        database.executemany(
            "INSERT INTO key_secrets VALUES (?, ?, ?, 0, NULL)",
            ((hash_key(one.encode()).hex(), f"k{number}", one[-4:]) for number, one in enumerate(secrets)),
        )
    store = CachedKeys(control.keys, clock, grace_s=300, version=control.version())
    keyring = build_keyring((), store=store)
    presented = secrets[count // 2].encode()
    at_us = clock.now_us()

    def identify() -> None:
        keyring.identify(presented).check(at_us)

    identify()
    return identify
