"""In front of every page: security headers on each answer, and no answer to a page that only pretends to be local.

A gateway that listens on loopback is asked by its owner's browser, and any web site can point a name of its own at
127.0.0.1 and then read what is served there (DNS rebinding). Such a request carries the site's name in its Host header,
so on loopback only loopback names are served. Fails closed: no Host, or several, is refused as well. Liveness and
readiness stay open, for orchestrators probe them by whatever name they know and they say nothing of anybody's spend.
"""

import ipaddress
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBES: Final = frozenset({"/healthz", "/readyz"})

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_MISDIRECTED: Final = 421


class Guard:
    """ASGI middleware. ``listens_on`` is the configured host."""

    def __init__(self, app: ASGIApp, *, listens_on: str) -> None:
        self._app: Final = app
        self._is_local: Final = is_loopback(listens_on)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers added to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        app = self._app
        if self._is_local and scope["path"] not in PROBES:
            app = self._refusal(scope) or app
        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and is_loopback(_without_port(hosts[0])):
            return None
        return PlainTextResponse(
            "This gateway listens on loopback and answers only to localhost, 127.0.0.1 and [::1]. "
            "Behind a proxy, let it send one of them as Host.\n",
            status_code=_MISDIRECTED,
        )


def is_loopback(host: str) -> bool:
    """Whether a name or an address can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
