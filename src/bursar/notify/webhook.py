"""Webhooks: a notice as a signed JSON POST.

The signature is ``t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`` over the exact bytes of the body, with the time
inside, so that a receiver can refuse what is old. Nothing of the secret, nor of the address past its origin, is ever
logged: addresses of webhooks often hold a secret themselves.
"""

import hmac
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from bursar import __version__
from bursar.clock import US_PER_S, Clock
from bursar.config import Webhook
from bursar.notify.channel import NotDelivered, Notice
from bursar.notify.post import TIMEOUTS, post
from bursar.upstream import Fields, Origin, UpstreamClient, UpstreamRequest

SIGNATURE: Final = b"x-bursar-signature"

_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"accept", b"*/*"),
    (b"user-agent", f"bursar/{__version__}".encode("ascii")),
)

_TAKEN: Final = range(200, 300)

_ELSEWHERE: Final = range(300, 400)


class Hook:
    """A webhook's settings, read and checked; holds its secret."""

    __slots__ = ("kinds", "name", "origin", "secret", "target")

    def __init__(self, webhook: Webhook, secret: bytes | None) -> None:
        """Raises ValueError for an address that cannot be used."""
        parts = urlsplit(webhook.url)
        base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        self.name: Final = webhook.name
        self.origin: Final = Origin.parse(base)[0]
        self.target: Final = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not self.target.isascii() or not self.target.isprintable() or " " in self.target:
            raise ValueError("its path and query must be percent-encoded")
        self.secret: Final = secret
        self.kinds: Final = frozenset(webhook.kinds)

    def takes(self, kind: str) -> bool:
        """Whether it is told of alerts of a kind."""
        return not self.kinds or kind in self.kinds


class WebhookChannel:
    """`bursar.notify.channel.Channel` over HTTP."""

    def __init__(self, hook: Hook, client: UpstreamClient, clock: Clock) -> None:
        self._hook: Final = hook
        self._client: Final = client
        self._clock: Final = clock

    @property
    def name(self) -> str:
        return self._hook.name

    def takes(self, kind: str) -> bool:
        return self._hook.takes(kind)

    async def tell(self, notice: Notice) -> None:
        body = msgspec.json.encode(notice)
        signed: tuple[tuple[bytes, bytes], ...] = ()
        if self._hook.secret is not None:
            at_s = self._clock.now_us() // US_PER_S
            signed = ((SIGNATURE, signature(self._hook.secret, body, at_s=at_s)),)
        request = UpstreamRequest(
            origin=self._hook.origin,
            method=b"POST",
            target=self._hook.target.encode("ascii"),
            headers=Fields(_HEADERS + signed),
            body=body,
            timeouts=TIMEOUTS,
        )
        status = await post(self._client, request)
        if status in _ELSEWHERE:
            raise NotDelivered(f"{self._hook.origin} answered {status}; redirects are not followed")
        if status not in _TAKEN:
            raise NotDelivered(f"{self._hook.origin} answered {status}")


def signature(secret: bytes, body: bytes, *, at_s: int) -> bytes:
    """The value of the signature's header."""
    stamp = str(at_s).encode("ascii")
    return b"t=%b,v1=%b" % (stamp, hmac.new(secret, b"%b.%b" % (stamp, body), sha256).hexdigest().encode("ascii"))
