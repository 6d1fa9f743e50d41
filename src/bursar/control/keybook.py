"""All virtual keys as people see them: those of `bursar.toml`, which only the file changes, beside those made here."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from bursar.clock import format_us
from bursar.config import Key, KeyGrant
from bursar.control.state import Keys
from bursar.control.values import Author, BadTerms, DeclaredInFile, KeyRecord, NameTaken, NewSecret, NoSuchName
from bursar.policy.identity import Identity, identity_of
from bursar.policy.secret import ENTROPY_BYTES, hash_key, make_key
from bursar.when import parse_instant

PAGE: Final = 500

State = Literal["enabled", "disabled", "expired", "deleted"]


class Issued(Struct, frozen=True):
    """A key and its new secret, which is told once and kept nowhere."""

    record: KeyRecord
    secret: str


class KeyBook:
    """Lists and changes keys. ``declared`` are the file's."""

    def __init__(
        self, keys: Keys, declared: Iterable[Key], *, draw: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """``draw`` gives so many random bytes."""
        self._keys: Final = keys
        self._declared: Final = {key.name: key for key in declared}
        self._draw: Final = draw

    def is_empty(self) -> bool:
        """Whether there is no key and never was one."""
        return not self._declared and self._keys.is_empty()

    def every(self, *, after: str = "", with_deleted: bool = False) -> Iterator[Key | KeyRecord]:
        """All keys by name, from the first that follows ``after``."""
        declared = sorted((key for key in self._declared.values() if key.name > after), key=name_of)
        return merge(declared, self._made(after, with_deleted=with_deleted), key=name_of)

    def get(self, name: str) -> Key | KeyRecord:
        """One key, deleted or not; raises NoSuchName."""
        found = self._declared.get(name) or self._keys.get(name)
        if found is None:
            raise NoSuchName(f"there is no key '{name}'; `bursar keys list` names them all")
        return found

    def identity(self, name: str) -> Identity:
        """What a caller with a key's present secret is; raises NoSuchName."""
        key = self.get(name)
        if isinstance(key, KeyRecord):
            return identity_of(key.grant, is_deleted=key.deleted_us is not None)
        return identity_of(key)

    def create(self, grant: KeyGrant, author: Author) -> Issued:
        """Make a key; raises NameTaken and BadTerms."""
        if grant.name in self._declared:
            raise NameTaken(f"bursar.toml declares a key '{grant.name}'; choose another name")
        _check(grant)
        secret = make_key(self._draw(ENTROPY_BYTES))
        return Issued(self._keys.create(grant, _kept(secret), author), secret)

    def rotate(self, name: str, *, overlap_us: int, author: Author) -> Issued:
        """Give a key a new secret; raises NoSuchName and DeclaredInFile."""
        self._require_own(name)
        secret = make_key(self._draw(ENTROPY_BYTES))
        return Issued(self._keys.rotate(name, _kept(secret), overlap_us=overlap_us, author=author), secret)

    def change(self, name: str, changes: Mapping[str, Any], author: Author) -> KeyRecord:
        """Change some of a key's terms, named as in `KeyGrant`; raises NoSuchName, DeclaredInFile and BadTerms."""
        self._require_own(name)
        record = self._keys.get(name)
        if record is None or record.deleted_us is not None:
            raise NoSuchName(f"there is no key '{name}'" if record is None else f"the key '{name}' was deleted")
        if changes.get("name", name) != name:
            raise BadTerms("name: a key keeps its name; make another key instead")
        try:
            grant = msgspec.convert({**msgspec.to_builtins(record.grant), **changes}, KeyGrant)
        except msgspec.ValidationError as wrong:
            raise BadTerms(str(wrong)) from None
        _check(grant)
        return self._keys.change(grant, author)

    def delete(self, name: str, author: Author) -> KeyRecord:
        """End a key for good; raises NoSuchName and DeclaredInFile."""
        self._require_own(name)
        return self._keys.delete(name, author)

    def _made(self, after: str, *, with_deleted: bool) -> Iterator[KeyRecord]:
        while page := self._keys.page(after=after, limit=PAGE):
            yield from (one for one in page if with_deleted or one.deleted_us is None)
            after = page[-1].grant.name

    def _require_own(self, name: str) -> None:
        if name in self._declared:
            raise DeclaredInFile(f"the key '{name}' is declared in bursar.toml; change it there")


def name_of(key: Key | KeyRecord) -> str:
    """A key's name."""
    return key.grant.name if isinstance(key, KeyRecord) else key.name


def key_fields(key: Key | KeyRecord, *, now_us: int) -> dict[str, Any]:
    """A key as the API tells it; nothing in it is secret."""
    grant = key.grant if isinstance(key, KeyRecord) else key
    told: dict[str, Any] = {
        "name": grant.name,
        "source": "control" if isinstance(key, KeyRecord) else "file",
        "state": _state(key, now_us),
        **{name: getattr(grant, name) for name in ("organisation", "team", "project", "tags", "models", "routes")},
        "allow_tags": grant.allow_tags,
        "networks": grant.networks,
        "expires_at": grant.expires_at,
    }
    return told | (_history(key, now_us) if isinstance(key, KeyRecord) else _undated(key))


def _history(record: KeyRecord, now_us: int) -> dict[str, Any]:
    present, *others = record.secrets
    ends = [one.ends_us for one in others if one.ends_us is not None and one.ends_us > now_us]
    return {
        "last4": present.last4,
        "previous_until": format_us(max(ends)) if ends else None,
        "made_at": format_us(record.made_us),
        "made_by": record.made_by,
        "rotated_at": _instant(record.rotated_us),
        "deleted_at": _instant(record.deleted_us),
    }


def _undated(key: Key) -> dict[str, Any]:
    unknown = dict.fromkeys(("last4", "previous_until", "made_at", "made_by", "rotated_at", "deleted_at"))
    return unknown | {"previous_until": key.previous_until}


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else format_us(at_us)


def _state(key: Key | KeyRecord, now_us: int) -> State:
    if isinstance(key, KeyRecord) and key.deleted_us is not None:
        return "deleted"
    grant = key.grant if isinstance(key, KeyRecord) else key
    if not grant.enabled:
        return "disabled"
    if grant.expires_at is not None and parse_instant(grant.expires_at) <= now_us:
        return "expired"
    return "enabled"


def _check(grant: KeyGrant) -> None:
    try:
        identity_of(grant)
    except ValueError as wrong:
        raise BadTerms(str(wrong)) from None


def _kept(secret: str) -> NewSecret:
    return NewSecret(digest=hash_key(secret.encode("ascii")), last4=secret[-4:])
