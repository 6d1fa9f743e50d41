"""Facts about calls, as the gateway states them once and the ledger keeps them for ever.

A *call* is one client request; each try to answer it is an *attempt*. An attempt is `Opened` before the provider is
contacted and `Settled` when its outcome is known; `Corrected` adjusts an earlier row without touching it. (call id,
attempt) is the identity on which loading is idempotent.

The structs are array-encoded on disk: append fields with defaults, never reorder or remove.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from bursar.money import Pico
from bursar.price import CostLine
from bursar.usage import Usage


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    """The provider answered completely."""
    ERROR = "error"
    """The provider answered with an error, or could not be reached."""
    TIMEOUT = "timeout"
    """The provider did not answer within a configured timeout."""
    RESET = "reset"
    """The provider's connection broke after the request was sent."""
    HANGUP = "hangup"
    """The client left; the provider's answer was drained (usage reported) or cut (usage estimated)."""
    CUT = "cut"
    """The gateway stopped it: shutdown or a limit."""
    REFUSED = "refused"
    """Never sent to a provider."""
    INTERRUPTED = "interrupted"
    """Opened, and the process died before it was settled; its cost is bounded, not known."""


class UsageStatus(StrEnum):
    """What is known about an attempt's usage."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    """Counted from what was seen on the wire, since the provider's own figures did not arrive."""
    INCONSISTENT = "inconsistent"
    """The provider's figures contradict themselves; the row keeps them raw and is flagged."""
    MISSING = "missing"
    """The provider should have reported usage and did not, and nothing could be estimated."""
    NONE = "none"
    """Nothing billable happened: a refusal, a provider's error, a free route."""


class PriceStatus(StrEnum):
    """What is known about an attempt's cost."""

    PRICED = "priced"
    FREE = "free"
    """An explicit price of zero."""
    UNPRICED = "unpriced"
    """Usage without a price, or usage that is unknown: the cost is unknown, never zero."""
    NOT_BILLED = "not_billed"
    """There was nothing to bill."""


class Principal(Struct, frozen=True, array_like=True):
    """Who a call is charged to. Empty strings mean "not set"."""

    organisation: str = ""
    team: str = ""
    project: str = ""
    key: str = ""
    """The virtual key's name, never the key."""


class CallFacts(Struct, frozen=True, array_like=True):
    """What is known about an attempt before the provider is contacted."""

    call_id: str
    attempt: int
    at_us: int
    """Admission, Unix microseconds."""
    principal: Principal
    tags: tuple[tuple[str, str], ...]
    """Normalised (name, value) pairs sorted by name; team and project are in the principal as well."""
    task: str | None
    task_type: str | None
    dialect: str
    operation: str
    provider: str
    """The configured provider's name."""
    model: str | None
    """The model as requested."""
    stream: bool
    catalog: str
    """Digest of the price catalog in force at admission."""
    config: str
    """Digest of the configuration in force at admission."""
    bound: Pico | None
    """The most this attempt may cost; ``None`` when it cannot be bounded."""
    card: str | None = None
    """The price card of the requested model at admission."""
    bound_tokens: int | None = None
    """The most tokens this attempt may use; ``None`` when they cannot be bounded, and in records from before."""


class Opened(Struct, frozen=True, array_like=True):
    """An attempt is about to be sent to a provider."""

    facts: CallFacts


class Timings(Struct, frozen=True, array_like=True):
    """Offsets from admission in microseconds; ``None`` when that point was never reached."""

    sent_us: int | None = None
    """The request's last byte was handed to the upstream connection."""
    first_byte_us: int | None = None
    """First byte of the provider's answer."""
    last_byte_us: int | None = None
    """Last byte of the provider's answer."""
    total_us: int | None = None
    """The attempt was settled."""


class Part(Struct, frozen=True, array_like=True):
    """One model's share of an answer."""

    model: str
    usage: Usage


class Settled(Struct, frozen=True, array_like=True):
    """An attempt's outcome: what was used, what it cost, why."""

    facts: CallFacts
    outcome: Outcome
    status: int | None
    """HTTP status the provider answered with, or the one the client was given for a refusal."""
    error: str | None
    """A refusal code or the provider's own error type; ``None`` on success."""
    model: str | None
    """The model that served the request, as the provider named it."""
    service_tier: str | None
    """The tier the provider says it served."""
    response_id: str | None
    """The provider's id for this answer."""
    usage: tuple[tuple[int, int], ...]
    """(meter, quantity) pairs."""
    usage_status: UsageStatus
    raw_usage: str | None
    """The provider's usage object as it came, JSON text."""
    price_status: PriceStatus
    cost: Pico | None
    """``None`` = unknown."""
    list_cost: Pico | None
    """The same usage at list price, where a negotiated price was charged."""
    provider_cost: Pico | None
    """What the provider itself said it charged, where it says so."""
    card: str | None
    lines: tuple[CostLine, ...]
    decisions: tuple[str, ...]
    """What was decided on the way and why, in order, one sentence each."""
    timings: Timings
    request_bytes: int = 0
    response_bytes: int = 0
    provider_request_id: str | None = None
    price_list: str | None = None
    """The catalog provider it is charged by; ``None`` where nothing reached a provider, and in records from before."""
    conditions: tuple[tuple[str, str], ...] = ()
    """The facts that chose among the card's variants, as the account and the answer state them."""
    parts: tuple[Part, ...] = ()
    """Where several models answered together, what each of them used."""


class Corrected(Struct, frozen=True, array_like=True):
    """An adjusting row: what changes about the cost of an attempt that was settled earlier.

    The attempt's true cost is its settled cost plus every correction's ``delta``. ``revision`` counts from 1 for each
    (call id, attempt), and the triple is the row's identity.
    """

    call_id: str
    attempt: int
    revision: int
    recorded_us: int
    reason: str
    price_status: PriceStatus
    cost: Pico | None
    """The attempt's cost after this correction."""
    delta: Pico
    """cost after - cost before, where unknown counts as zero."""
    card: str | None
    catalog: str
    lines: tuple[CostLine, ...]
    list_cost: Pico | None = None
    """The same usage at list price, where a negotiated price is now charged."""
    usage: tuple[tuple[int, int], ...] | None = None
    """(meter, quantity) pairs where the card counts something that was not counted before; ``None`` = as it was."""


Record = Opened | Settled | Corrected

RECORD_KINDS: Final[tuple[type[Record], ...]] = (Opened, Settled, Corrected)
"""Position = the record's kind byte in a spool frame."""
