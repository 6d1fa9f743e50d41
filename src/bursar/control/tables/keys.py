"""Virtual keys and their secrets' hashes."""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from bursar.config import KeyGrant
from bursar.control.database import Database, Row, Sql, decoded, encoded, maybe_whole, whole
from bursar.control.tables.audit import note
from bursar.control.values import Author, FoundKey, KeyRecord, KeySecret, NameTaken, NewSecret, NoSuchName

_RECORD: Final = (
    "SELECT k.name, k.terms, k.made_us, k.made_by, k.rotated_us, k.deleted_us, s.last4, s.made_us, s.ends_us "
    "FROM virtual_keys k JOIN key_secrets s ON s.key_name = k.name "
)
_SECRETS: Final = 6
"""Position of a secret's first column."""

_NEWEST_FIRST: Final = "ORDER BY k.name, CASE WHEN s.ends_us IS NULL THEN 0 ELSE 1 END, s.made_us DESC"


class KeyTable:
    """`bursar.control.state.Keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, digest: bytes) -> FoundKey | None:
        with self._database.reading() as sql:
            row = sql.row(
                "SELECT k.terms, s.ends_us, k.deleted_us FROM key_secrets s JOIN virtual_keys k ON k.name = s.key_name "
                "WHERE s.digest = ?",
                digest.hex(),
            )
        if row is None:
            return None
        return FoundKey(
            grant=decoded(row[0], KeyGrant), secret_ends_us=maybe_whole(row[1]), is_deleted=row[2] is not None
        )

    def get(self, name: str) -> KeyRecord | None:
        with self._database.reading() as sql:
            return _get(sql, name)

    def is_empty(self) -> bool:
        with self._database.reading() as sql:
            return sql.row("SELECT 1 FROM virtual_keys LIMIT 1") is None

    def page(self, *, after: str = "", limit: int) -> tuple[KeyRecord, ...]:
        with self._database.reading() as sql:
            rows = sql.rows(
                f"{_RECORD} WHERE k.name IN (SELECT name FROM virtual_keys WHERE name > ? ORDER BY name LIMIT ?) "
                f"{_NEWEST_FIRST}",
                after,
                limit,
            )
        return tuple(_record(group) for _, group in groupby(rows, key=lambda row: row[0]))

    def create(self, grant: KeyGrant, secret: NewSecret, author: Author) -> KeyRecord:
        with self._database.writing("keys") as sql:
            if sql.row("SELECT 1 FROM virtual_keys WHERE name = ?", grant.name) is not None:
                raise NameTaken(f"there is, or was, a key '{grant.name}'; names are not given twice, choose another")
            sql.run(
                "INSERT INTO virtual_keys (name, terms, made_us, made_by) VALUES (?, ?, ?, ?)",
                grant.name,
                encoded(grant),
                author.at_us,
                author.name,
            )
            _add_secret(sql, grant.name, secret, author)
            note(sql, author, "key.create", grant.name, before=None, after=encoded(grant))
            return _present(sql, grant.name)

    def change(self, grant: KeyGrant, author: Author) -> KeyRecord:
        with self._database.writing("keys") as sql:
            before = _present(sql, grant.name)
            sql.run("UPDATE virtual_keys SET terms = ? WHERE name = ?", encoded(grant), grant.name)
            note(sql, author, "key.change", grant.name, before=encoded(before.grant), after=encoded(grant))
            return _present(sql, grant.name)

    def rotate(self, name: str, secret: NewSecret, *, overlap_us: int, author: Author) -> KeyRecord:
        with self._database.writing("keys") as sql:
            before = _present(sql, name)
            ends_us = author.at_us + overlap_us
            sql.run(
                "UPDATE key_secrets SET ends_us = ? WHERE key_name = ? AND (ends_us IS NULL OR ends_us > ?)",
                ends_us,
                name,
                ends_us,
            )
            _add_secret(sql, name, secret, author)
            sql.run("UPDATE virtual_keys SET rotated_us = ? WHERE name = ?", author.at_us, name)
            after = _present(sql, name)
            note(sql, author, "key.rotate", name, before=encoded(before.secrets), after=encoded(after.secrets))
            return after

    def delete(self, name: str, author: Author) -> KeyRecord:
        with self._database.writing("keys") as sql:
            before = _present(sql, name)
            sql.run("UPDATE virtual_keys SET deleted_us = ? WHERE name = ?", author.at_us, name)
            note(sql, author, "key.delete", name, before=encoded(before.grant), after=None)
            deleted = _get(sql, name)
        if deleted is None:
            raise NoSuchName(f"there is no key '{name}'")
        return deleted


def _add_secret(sql: Sql, name: str, secret: NewSecret, author: Author) -> None:
    sql.run(
        "INSERT INTO key_secrets (digest, key_name, last4, made_us) VALUES (?, ?, ?, ?)",
        secret.digest.hex(),
        name,
        secret.last4,
        author.at_us,
    )


def _present(sql: Sql, name: str) -> KeyRecord:
    """A key that was not deleted; raises NoSuchName."""
    record = _get(sql, name)
    if record is None or record.deleted_us is not None:
        raise NoSuchName(f"there is no key '{name}'" if record is None else f"the key '{name}' was deleted")
    return record


def _get(sql: Sql, name: str) -> KeyRecord | None:
    rows = sql.rows(f"{_RECORD} WHERE k.name = ? {_NEWEST_FIRST}", name)
    return _record(rows) if rows else None


def _record(rows: Iterable[Row]) -> KeyRecord:
    """One key from its rows, one for each secret."""
    held = list(rows)
    _, terms, made_us, made_by, rotated_us, deleted_us = held[0][:_SECRETS]
    return KeyRecord(
        grant=decoded(terms, KeyGrant),
        secrets=tuple(
            KeySecret(last4=str(last4), made_us=whole(at_us), ends_us=maybe_whole(ends_us))
            for last4, at_us, ends_us in (row[_SECRETS:] for row in held)
        ),
        made_us=whole(made_us),
        made_by=str(made_by),
        rotated_us=maybe_whole(rotated_us),
        deleted_us=maybe_whole(deleted_us),
    )
