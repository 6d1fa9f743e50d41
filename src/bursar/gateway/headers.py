"""Request and response headers: what is ours, what is hop-by-hop, what goes through.

Fails closed: credentials of the caller never reach a provider unless the provider is configured to take them, and
nothing named `x-bursar-*` ever does.
"""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""RFC 9110 §7.6.1: meant for one connection only."""

CREDENTIALS: Final = (b"x-bursar-key", b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where callers put a virtual key, in order of precedence; SDKs decide which."""

_OWN_PREFIX: Final = b"x-bursar-"

_SIGNATURE: Final = frozenset((b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"))
"""What AWS SDKs send beside a signature (SigV4, "Elements of an AWS API request signature", read 2026-11). It is made
with the virtual key and means nothing to a provider; a session token is a credential besides."""

_NOT_FORWARDED: Final = HOP_BY_HOP | _SIGNATURE | {b"host", b"content-length", b"expect", b"accept-encoding", b"cookie"}

_NOT_RETURNED: Final = HOP_BY_HOP | {b"content-length", b"alt-svc", b"strict-transport-security"}
"""Besides framing: advertisements that speak of the provider's host, not of this one."""

_CREDENTIAL_SET: Final = frozenset(CREDENTIALS)


class RequestHead:
    """A request's headers, sorted once by who they are for."""

    __slots__ = ("content_type", "credentials", "forward", "own")

    def __init__(self, headers: Iterable[Header]) -> None:
        """Sort ``headers`` (names lower-cased)."""
        self.forward: list[Header] = []
        """What a provider gets, credentials aside."""
        self.credentials: dict[bytes, bytes] = {}
        self.own: dict[str, str] = {}
        """`x-bursar-*` headers without the prefix."""
        self.content_type = b""
        for header in headers:
            name = header[0]
            if name in _NOT_FORWARDED:
                continue
            if name in _CREDENTIAL_SET:
                self.credentials[name] = header[1]
            elif name.startswith(_OWN_PREFIX):
                self.own[name[len(_OWN_PREFIX) :].decode("latin-1")] = header[1].decode("utf-8", "replace")
            else:
                if name == b"content-type":
                    self.content_type = header[1]
                self.forward.append(header)

    def presented_key(self) -> bytes | None:
        """The virtual key the caller presents, without its scheme; ``None`` when there is none."""
        for name in CREDENTIALS:
            value = self.credentials.get(name)
            if value:
                return _bare(value)
        return None

    def own_credentials(self, virtual_key: bytes | None) -> list[Header]:
        """The caller's provider credentials: all but `x-bursar-key` and whichever carried the virtual key."""
        return [
            (name, value)
            for name, value in self.credentials.items()
            if name != b"x-bursar-key" and (virtual_key is None or _bare(value) != virtual_key)
        ]


def returned(headers: Iterable[Header]) -> list[Header]:
    """The provider's headers that go on to the client."""
    return [header for header in headers if header[0] not in _NOT_RETURNED]


def _bare(value: bytes) -> bytes:
    scheme, space, rest = value.partition(b" ")
    if not space:
        return value.strip()
    match scheme.lower():
        case b"bearer":
            return rest.strip()
        case b"aws4-hmac-sha256":
            # AWS SDKs sign with the virtual key as access key id; its secret is not needed and never checked.
            return rest.partition(b"Credential=")[2].partition(b"/")[0]
        case _:
            return value.strip()
