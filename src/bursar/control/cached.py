"""The gateway's view of the keys that are made at run time: a bounded memory in front of the control state.

However many keys there are, none is loaded at start: a key is looked up when it is first used, and remembered until any
key changes, which `observe` tells. What is not there is remembered too, in a memory of its own, so that unknown keys
neither cost a look-up twice nor push known ones out.

Fails closed, with a grace: while the control state cannot be read, keys that are remembered stay valid for a while
(`[server] key_grace_s`), all others cannot be checked and are `ControlUnavailable`, never unknown.
"""

from collections import OrderedDict
from typing import Final

from bursar.clock import US_PER_S, Clock
from bursar.control.state import Keys
from bursar.control.values import Version
from bursar.errors import ControlUnavailable
from bursar.policy.identity import Identity, identity_of

REMEMBERED: Final = 16_384
"""Keys remembered, about 1 KB each; and as many hashes of what is no key, 100 bytes each."""


class CachedKeys:
    """`bursar.policy.identity.KeyStore` over `Keys`, for one event loop."""

    def __init__(self, keys: Keys, clock: Clock, *, grace_s: float, version: Version) -> None:
        """``version`` is the control state's present one."""
        self._keys: Final = keys
        self._clock: Final = clock
        self._grace_us: Final = int(grace_s * US_PER_S)
        self._known: OrderedDict[bytes, Identity] = OrderedDict()
        self._unknown: set[bytes] = set()
        self._is_empty = keys.is_empty()
        self._seen = version
        self._confirmed_us = clock.monotonic_us()
        self._failure: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why keys cannot be looked up at present; ``None`` = they can."""
        return self._failure

    @property
    def has_grace(self) -> bool:
        """Whether keys that are remembered are still let in while there is trouble."""
        return self._clock.monotonic_us() - self._confirmed_us <= self._grace_us

    def __len__(self) -> int:
        """How many hashes are remembered."""
        return len(self._known) + len(self._unknown)

    def find(self, digest: bytes) -> Identity | None:
        if self._failure is not None:
            return self._find_in_grace(digest)
        identity = self._known.get(digest)
        if identity is not None:
            self._known.move_to_end(digest)
            return identity
        return None if digest in self._unknown else self._look_up(digest)

    def is_empty(self) -> bool:
        if self._failure is not None:
            self._require_grace(self._failure)
        return self._is_empty

    def observe(self, version: Version) -> None:
        """The control state was read and stands at this version: what changed since is forgotten."""
        if version.keys != self._seen.keys or version.store != self._seen.store:
            self._is_empty = self._keys.is_empty()
            self._known.clear()
            self._unknown.clear()
        self._seen = version
        self._confirmed_us = self._clock.monotonic_us()
        self._failure = None

    def fail(self, why: ControlUnavailable) -> None:
        """The control state could not be read: the grace runs from when it last could be."""
        self._failure = str(why)

    def _find_in_grace(self, digest: bytes) -> Identity:
        failure = self._failure or ""
        self._require_grace(failure)
        identity = self._known.get(digest)
        if identity is None:
            raise ControlUnavailable(failure)
        return identity

    def _require_grace(self, failure: str) -> None:
        if not self.has_grace:
            raise ControlUnavailable(failure)

    def _look_up(self, digest: bytes) -> Identity | None:
        try:
            found = self._keys.find(digest)
        except ControlUnavailable as failed:
            self.fail(failed)
            raise
        if found is None:
            if len(self._unknown) >= REMEMBERED:
                self._unknown.clear()
            self._unknown.add(digest)
            return None
        try:
            identity = identity_of(found.grant, secret_ends_us=found.secret_ends_us, is_deleted=found.is_deleted)
        except ValueError as wrong:
            raise ControlUnavailable(f"the terms of the key '{found.grant.name}' make no sense: {wrong}") from None
        if len(self._known) >= REMEMBERED:
            self._known.popitem(last=False)
        self._known[digest] = identity
        return identity
