"""Virtual keys: from what a caller presents to the principal that pays.

Only SHA-256 hashes of keys are kept. A presented key is hashed and looked up by its hash, so how long the look-up
takes says nothing about how much of a key was right. Fails closed: no key, an unknown, disabled or expired key is
refused with 401, and a key that cannot be checked with 503, never with 401, for it may well be right. Only a gateway
that has no keys at all (`Keyring.is_open`) lets everybody in, as the principal "open", and such a gateway may listen on
loopback alone.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from msgspec import Struct

from bursar.clock import format_us
from bursar.config import Key, KeyGrant
from bursar.errors import ControlUnavailable, Refusal
from bursar.events import Principal
from bursar.policy.network import Networks
from bursar.policy.scope import Scope, scope_of
from bursar.policy.secret import hash_key, is_issued_form
from bursar.policy.tags import Pairs, normalise
from bursar.when import parse_instant

RETRY_S: Final = 5
"""When to try again while keys cannot be checked."""


class Identity(Struct, frozen=True):
    """A principal and what its key brings along."""

    principal: Principal
    tags: Pairs = ()
    """Default tags of the key."""
    scope: Scope | None = None
    """What the key may do; ``None`` = everything."""
    barred: str | None = None
    """Why the key is refused whatever the time, such as "is disabled"; ``None`` = it is not."""
    ends_us: int | None = None
    """Instant from which the presented secret is refused; ``None`` = never."""
    ending: str = ""
    """What happens then, such as "expired"."""

    def check(self, at_us: int) -> None:
        """Raise Refusal ``disabled_key`` or ``expired_key`` when the key cannot be used at that time."""
        if self.barred is not None:
            raise Refusal(
                "disabled_key",
                f"The virtual key '{self.principal.key}' {self.barred}. Use another, or ask your platform team.",
            )
        if self.ends_us is not None and at_us >= self.ends_us:
            raise Refusal(
                "expired_key",
                f"The virtual key '{self.principal.key}' {self.ending} at {format_us(self.ends_us)}. "
                "Use its successor, or ask your platform team.",
            )


OPEN = Identity(Principal(key="open"))
"""Everybody, on a gateway without keys."""


class KeyStore(Protocol):
    """Keys that are made while the gateway runs."""

    def find(self, digest: bytes) -> Identity | None:
        """The identity behind a key's hash; ``None`` = no such key. Raises ControlUnavailable when it cannot tell."""
        ...

    def is_empty(self) -> bool:
        """Whether no key was ever made; raises ControlUnavailable when it cannot tell."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why keys cannot be looked up at present; ``None`` = they can."""
        ...

    @property
    def has_grace(self) -> bool:
        """Whether keys that were seen before are let in all the same."""
        ...


class Keyring(Struct, frozen=True):
    """All virtual keys: the configured ones by hash, the others in a store."""

    by_hash: Mapping[bytes, Identity]
    store: KeyStore | None = None
    trusted_proxies: Networks = ()
    """Whose word on a caller's address is taken."""

    @property
    def is_open(self) -> bool:
        """True when there is no key at all; then every caller is `OPEN`. Raises ControlUnavailable."""
        return not self.by_hash and (self.store is None or self.store.is_empty())

    def identify(self, presented: bytes | None) -> Identity:
        """The identity behind a presented key, which is still to be checked for its time.

        Raises Refusal missing_key, invalid_key or identity_unavailable.
        """
        try:
            if self.is_open:
                return OPEN
            identity = self._find(presented) if presented else None
        except ControlUnavailable as unknown:
            raise Refusal(
                "identity_unavailable",
                f"This API key cannot be checked right now: {unknown}. Nothing is wrong with the key; try again.",
                retry_after_s=RETRY_S,
            ) from None
        if identity is not None:
            return identity
        if presented:
            raise Refusal("invalid_key", "This API key is not known here. Ask your platform team for a virtual key.")
        raise Refusal(
            "missing_key",
            "No API key was given. Send a Bursar virtual key where your SDK puts the provider's API key.",
        )

    def _find(self, presented: bytes) -> Identity | None:
        digest = hash_key(presented)
        identity = self.by_hash.get(digest)
        if identity is None and self.store is not None and is_issued_form(presented):
            return self.store.find(digest)
        return identity


def identity_of(grant: KeyGrant, *, secret_ends_us: int | None = None, is_deleted: bool = False) -> Identity:
    """What a caller with one of the key's secrets is.

    ``secret_ends_us`` is when this secret ends because another has taken its place. Raises ValueError naming the term
    that makes no sense.
    """
    expires_us = parse_instant(grant.expires_at) if grant.expires_at is not None else None
    is_replaced = secret_ends_us is not None and (expires_us is None or secret_ends_us < expires_us)
    return Identity(
        principal=Principal(organisation=grant.organisation, team=grant.team, project=grant.project, key=grant.name),
        tags=normalise(grant.tags.items()),
        scope=scope_of(grant),
        barred="was deleted" if is_deleted else None if grant.enabled else "is disabled",
        ends_us=secret_ends_us if is_replaced else expires_us,
        ending="was rotated, and the secret given ended" if is_replaced else "expired",
    )


def build_keyring(
    keys: Iterable[tuple[Key, bytes, bytes | None]],
    *,
    store: KeyStore | None = None,
    trusted_proxies: Networks = (),
) -> Keyring:
    """Build a keyring from configured keys, each with its resolved secret and the one before.

    Raises ValueError when two keys share a secret, for their spend could not be told apart, and on terms that make no
    sense.
    """
    by_hash: dict[bytes, Identity] = {}
    for key, secret, previous in keys:
        _add(by_hash, secret, _configured(key, is_previous=False))
        if previous is not None:
            _add(by_hash, previous, _configured(key, is_previous=True))
    return Keyring(by_hash=by_hash, store=store, trusted_proxies=trusted_proxies)


def _configured(key: Key, *, is_previous: bool) -> Identity:
    try:
        return identity_of(key, secret_ends_us=_overlap_end_us(key) if is_previous else None)
    except ValueError as wrong:
        raise ValueError(f"[[keys]] '{key.name}': {wrong}") from None


def _overlap_end_us(key: Key) -> int:
    if key.previous_until is None:
        raise ValueError("previous_key needs previous_until")
    return parse_instant(key.previous_until)


def _add(by_hash: dict[bytes, Identity], secret: bytes, identity: Identity) -> None:
    digest = hash_key(secret)
    if digest in by_hash:
        names = sorted((by_hash[digest].principal.key, identity.principal.key))
        raise ValueError(f"keys '{names[0]}' and '{names[1]}' have the same secret; give each its own")
    by_hash[digest] = identity
