"""The values that the control state holds."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from bursar.config import Budget, KeyGrant
from bursar.errors import BursarError
from bursar.money import Pico


class NameTaken(BursarError):
    """Something of that name is there already, or was."""


class NoSuchName(BursarError):
    """There is nothing of that name."""


class DeclaredInFile(BursarError):
    """It is declared in `bursar.toml`, so it is changed there."""


class BadTerms(BursarError):
    """The terms of a key or a budget make no sense; the message names the one that does not."""


class Author(Struct, frozen=True):
    """Who changes something, and when."""

    name: str
    at_us: int


class Version(Struct, frozen=True):
    """How often each part has changed. Every write moves one of the counts."""

    keys: int = 0
    rules: int = 0
    """Budgets and top-ups."""
    alerts: int = 0
    store: str = ""
    """Which database this was read from: counts of two databases say nothing of each other."""


class NewSecret(Struct, frozen=True):
    """A secret that was just made, as it is kept."""

    digest: bytes
    """SHA-256."""
    last4: str
    """Its last four characters, by which people recognise it."""


class KeySecret(Struct, frozen=True):
    """One secret of a key."""

    last4: str
    made_us: int
    ends_us: int | None
    """When it ends because another took its place; ``None`` = it is the present one."""


class KeyRecord(Struct, frozen=True):
    """A virtual key that was made at run time."""

    grant: KeyGrant
    secrets: tuple[KeySecret, ...]
    """Newest first."""
    made_us: int
    made_by: str
    rotated_us: int | None = None
    deleted_us: int | None = None


class FoundKey(Struct, frozen=True):
    """What a secret leads to."""

    grant: KeyGrant
    secret_ends_us: int | None
    is_deleted: bool


class BudgetRecord(Struct, frozen=True):
    """A budget that was made at run time."""

    budget: Budget
    made_us: int
    made_by: str
    changed_us: int


class TopUp(Struct, frozen=True):
    """Room added to a budget for a while."""

    budget: str
    """Name of the budget, of the file or made at run time."""
    account: tuple[str, ...] | None
    """Values of the budget's ``per`` dimensions, whose account it is; ``None`` = every account."""
    pico: Pico | None
    """Money added, or ``tokens``."""
    tokens: int | None
    from_us: int
    until_us: int | None
    """First instant at which it counts no more, as a rule the end of the present period; ``None`` = it stays."""
    reason: str


class TopUpRecord(Struct, frozen=True):
    """A top-up that was granted."""

    id: int
    top_up: TopUp
    made_us: int
    made_by: str
    cancelled_us: int | None = None


Severity = Literal["info", "warning", "critical"]

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)

Fact = str | int | bool | None
"""A detail of an alert; money is decimal text under a name that ends in `_usd`."""


class Alert(Struct, frozen=True):
    """Something that a person should know."""

    kind: str
    severity: Severity
    subject: str
    """Name of what it is about."""
    message: str
    at_us: int
    data: Mapping[str, Fact] = {}
    ends_us: int | None = None
    """When what it says is over by itself, as a budget's window is; ``None`` = nobody can say."""


class AlertRecord(Struct, frozen=True):
    """An alert that was raised."""

    id: int
    """Counts up in the order of raising."""
    alert: Alert
    key: str | None
    resolved_us: int | None = None


Event = Literal["raised", "resolved"]

EVENTS: Final[tuple[Event, ...]] = get_args(Event)


class Delivery(Struct, frozen=True):
    """What one channel has to be told, or was told, of an alert."""

    id: int
    alert: int
    """The alert's id."""
    channel: str
    event: Event
    attempts: int = 0
    """How often it was tried."""
    next_us: int | None = None
    """When it may be tried next; ``None`` = it was delivered or given up."""
    delivered_us: int | None = None
    problem: str | None = None
    """How the latest try that failed did so."""


class AuditEntry(Struct, frozen=True):
    """One change that somebody made."""

    id: int
    at_us: int
    actor: str
    action: str
    """Such as `key.create`."""
    subject: str
    before: str | None
    """JSON of what there was; ``None`` = nothing."""
    after: str | None
    """JSON of what there is now; ``None`` = nothing."""
