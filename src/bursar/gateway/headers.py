"""Request and response headers: what is ours, what is hop-by-hop, what goes through.

Fails closed: credentials of the caller never reach a provider unless the provider is configured to take them, and
nothing named `x-bursar-*` ever does.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from bursar.dialects.fields import document, string_map
from bursar.policy.tags import Pairs, normalise
from bursar.upstream import Fields

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

PER_CALL: Final = frozenset(CREDENTIALS) | {b"content-length", b"expect"}
"""Headers that are kept with the call rather than in its `RequestHead`: secrets, and what differs each time."""

_STEERING: Final = frozenset(
    (
        "task",
        "task-type",
        "task-budget",
        "task-depth",
        "deadline",
        "cache",
        "levers",
        "key",
        "stream-cost",
        "request-id",
    )
)
"""`x-bursar-*` headers that steer the gateway rather than describe the call."""

_TAG_PREFIX: Final = "tag-"

_REQUEST_METADATA: Final = b"x-amzn-bedrock-request-metadata"
"""InvokeModel's ``requestMetadata``, a JSON object of texts (botocore 1.44, bedrock-runtime's service model)."""

_REMEMBERED: Final = 2048
"""How many sets of headers are remembered; a few hundred bytes to a few kilobytes each."""


class RequestHead:
    """A request's headers but those that are `PER_CALL`, sorted once by who they are for.

    Immutable once it is made, but for what it remembers: heads are shared among requests (`Heads`), hold no secret of a
    caller, and `outgoing` may be recomputed at any time.
    """

    __slots__ = ("_outgoing", "content_type", "forward", "metadata", "own", "tags")

    def __init__(self, headers: Iterable[Header]) -> None:
        """Sort ``headers`` (names lower-cased)."""
        self.forward: list[Header] = []
        """What a provider gets, credentials aside."""
        self.own: dict[str, str] = {}
        """`x-bursar-*` headers without the prefix."""
        self._outgoing: dict[str, tuple[object, Fields]] = {}
        self.metadata: Pairs = ()
        """What a header says that is body metadata in other formats."""
        content_type = b""
        for header in headers:
            name = header[0]
            if name in _NOT_FORWARDED:
                continue
            if name.startswith(_OWN_PREFIX):
                self.own[name[len(_OWN_PREFIX) :].decode("latin-1")] = header[1].decode("utf-8", "replace")
            else:
                if name == b"content-type":
                    content_type = header[1]
                elif name == _REQUEST_METADATA:
                    self.metadata = tuple(string_map(document(header[1])).items())
                self.forward.append(header)
        self.content_type = content_type.decode("latin-1")
        self.tags = normalise(
            (name.removeprefix(_TAG_PREFIX), value) for name, value in self.own.items() if name not in _STEERING
        )
        """The tags among the headers, normalised."""

    def recall(self, name: str, owner: object) -> Fields | None:
        """The complete headers remembered for a provider, as long as it is still the same ``owner`` object."""
        held = self._outgoing.get(name)
        return held[1] if held is not None and held[0] is owner else None

    def remember(self, name: str, owner: object, headers: Fields) -> None:
        """Remember the complete headers for a provider; they must hold no credential of the caller."""
        self._outgoing[name] = (owner, headers)


class Heading(Struct, frozen=True):
    """What a request says before its body."""

    method: str
    path: str
    """Percent-encoded, as sent."""
    query: str
    head: RequestHead
    own: Mapping[bytes, bytes]
    """The headers that are `PER_CALL`; of a head that is repeated, the content-length may be another's."""


def presented_key(own: Mapping[bytes, bytes]) -> bytes | None:
    """The virtual key among a call's `PER_CALL` headers, without its scheme; ``None`` when there is none."""
    for name in CREDENTIALS:
        value = own.get(name)
        if value:
            return _bare(value)
    return None


def provider_credentials(own: Mapping[bytes, bytes], virtual_key: bytes | None) -> list[Header]:
    """The caller's own provider credentials: all but `x-bursar-key` and whichever carried the virtual key."""
    return [
        (name, own[name])
        for name in CREDENTIALS[1:]
        if name in own and (virtual_key is None or _bare(own[name]) != virtual_key)
    ]


def forwarded_for(head: RequestHead) -> list[str]:
    """The values of `x-forwarded-for`, in order."""
    return [value.decode("latin-1") for name, value in head.forward if name == b"x-forwarded-for"]


class Heads:
    """Remembers sorted heads by their headers.

    A client sends the same headers with every request, so they are sorted once. Memory is bounded by forgetting all at
    once: the common heads are back after one request each, and no bookkeeping is paid for on the way.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Header, ...], RequestHead] = {}

    def sorted(self, headers: tuple[Header, ...]) -> RequestHead:
        """The head of these headers, which must not include `PER_CALL` ones."""
        head = self._known.get(headers)
        if head is None:
            head = RequestHead(headers)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[headers] = head
        return head


class HeaderText(Mapping[str, str]):
    """A provider's headers as text by lower-case name, decoded only where somebody looks."""

    __slots__ = ("_by_name",)

    def __init__(self, by_name: dict[bytes, bytes]) -> None:
        self._by_name = by_name

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


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
