"""Virtual keys: from what a caller presents to the principal that pays.

Only SHA-256 hashes of keys are kept. A presented key is hashed and looked up by its hash, so how long the look-up
takes says nothing about how much of a key was right. Fails closed: no key, an unknown key or a disabled key is refused;
only a gateway that has no keys at all (`Keyring.is_open`) lets everybody in, as the principal "open", and such a
gateway may listen on loopback alone.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from msgspec import Struct

from bursar.config import Key
from bursar.errors import Refusal
from bursar.events import Principal
from bursar.policy.tags import normalise


class Identity(Struct, frozen=True):
    """A principal and what its key brings along."""

    principal: Principal
    tags: tuple[tuple[str, str], ...] = ()
    """Default tags of the key."""
    is_enabled: bool = True


OPEN = Identity(Principal(key="open"))
"""Everybody, on a gateway without keys."""


class Keyring(Struct, frozen=True):
    """All virtual keys by hash."""

    by_hash: Mapping[bytes, Identity]
    is_open: bool
    """True when no key is configured; then every caller is `OPEN`."""

    def identify(self, presented: bytes | None) -> Identity:
        """The identity behind a presented key; raises Refusal missing_key, invalid_key or disabled_key."""
        if self.is_open:
            return OPEN
        if not presented:
            raise Refusal(
                "missing_key",
                "No API key was given. Send a Bursar virtual key where your SDK puts the provider's API key.",
            )
        digest = hash_key(presented)
        identity = self.by_hash.get(digest)
        if identity is None:
            raise Refusal("invalid_key", "This API key is not known here. Ask your platform team for a virtual key.")
        if not identity.is_enabled:
            raise Refusal("disabled_key", f"The virtual key '{identity.principal.key}' is disabled.")
        return identity


def hash_key(key: bytes) -> bytes:
    """The form in which a virtual key is kept: its SHA-256 digest, 32 bytes."""
    return hashlib.sha256(key).digest()


def is_same_key(digest: bytes, presented: bytes) -> bool:
    """Whether a presented key is the one behind a digest, in constant time."""
    return hmac.compare_digest(digest, hash_key(presented))


def build_keyring(keys: Iterable[tuple[Key, bytes]]) -> Keyring:
    """Build a keyring from configured keys and their resolved secrets.

    Raises ValueError when two keys share a secret: their spend could not be told apart.
    """
    by_hash: dict[bytes, Identity] = {}
    for key, secret in keys:
        digest = hash_key(secret)
        if digest in by_hash:
            other = by_hash[digest].principal.key
            raise ValueError(f"keys '{other}' and '{key.name}' have the same secret; give each its own")
        by_hash[digest] = Identity(
            principal=Principal(organisation=key.organisation, team=key.team, project=key.project, key=key.name),
            tags=normalise(key.tags.items()),
            is_enabled=key.enabled,
        )
    return Keyring(by_hash=by_hash, is_open=not by_hash)
