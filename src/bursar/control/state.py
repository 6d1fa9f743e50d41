"""What can be asked of the control state: one protocol for each thing it keeps.

Every method raises `ControlUnavailable` when the state cannot be read or written. Listings are bounded by ``limit``.
"""

from collections.abc import Sequence
from typing import Protocol

from bursar.config import Budget, KeyGrant
from bursar.control.values import (
    Alert,
    AlertRecord,
    AuditEntry,
    Author,
    BudgetRecord,
    Delivery,
    FoundKey,
    KeyRecord,
    NewSecret,
    TopUp,
    TopUpRecord,
    Version,
)


class Keys(Protocol):
    """Virtual keys. A deleted key's record stays, and its name stays taken."""

    def find(self, digest: bytes) -> FoundKey | None:
        """The key that has a secret with this hash, in one look-up by index; ``None`` = no key ever had."""
        ...

    def get(self, name: str) -> KeyRecord | None:
        """One key, deleted or not."""
        ...

    def is_empty(self) -> bool:
        """Whether no key was ever made."""
        ...

    def page(self, *, after: str = "", limit: int) -> tuple[KeyRecord, ...]:
        """Keys by name, deleted ones included, from the first whose name follows ``after``."""
        ...

    def create(self, grant: KeyGrant, secret: NewSecret, author: Author) -> KeyRecord:
        """Make a key; raises NameTaken."""
        ...

    def change(self, grant: KeyGrant, author: Author) -> KeyRecord:
        """Give the key of that name other terms; raises NoSuchName."""
        ...

    def rotate(self, name: str, secret: NewSecret, *, overlap_us: int, author: Author) -> KeyRecord:
        """Give a key a new secret; its others end after the overlap at the latest. Raises NoSuchName."""
        ...

    def delete(self, name: str, author: Author) -> KeyRecord:
        """End a key for good; raises NoSuchName."""
        ...


class Budgets(Protocol):
    """Budgets."""

    def every(self) -> tuple[BudgetRecord, ...]:
        """All of them, by name."""
        ...

    def get(self, name: str) -> BudgetRecord | None:
        """One budget."""
        ...

    def create(self, budget: Budget, author: Author) -> BudgetRecord:
        """Make a budget; raises NameTaken."""
        ...

    def change(self, budget: Budget, author: Author) -> BudgetRecord:
        """Replace the budget of that name; raises NoSuchName."""
        ...

    def delete(self, name: str, author: Author) -> None:
        """Remove a budget; the audit log keeps what it was. Raises NoSuchName."""
        ...


class TopUps(Protocol):
    """Top-ups."""

    def active(self, at_us: int) -> tuple[TopUpRecord, ...]:
        """Those that have not ended by then and were not cancelled, oldest first; some may begin later."""
        ...

    def newest(self, *, budget: str | None = None, limit: int) -> tuple[TopUpRecord, ...]:
        """The latest grants, newest first, cancelled and past ones included."""
        ...

    def add(self, top_up: TopUp, author: Author) -> TopUpRecord:
        """Grant a top-up."""
        ...

    def cancel(self, number: int, author: Author) -> TopUpRecord:
        """Take back a top-up, by its id; raises NoSuchName."""
        ...


class Alerts(Protocol):
    """Alerts. Raising one and queueing it for the channels ``to`` is one transaction, and so is resolving it."""

    def get(self, number: int) -> AlertRecord | None:
        """One alert."""
        ...

    def newest(self, *, before: int | None = None, limit: int, only_open: bool = False) -> tuple[AlertRecord, ...]:
        """The latest, newest first; ``before`` is the id to go on from."""
        ...

    def unresolved(self, *, kind: str | None = None, after: int = 0, limit: int) -> tuple[AlertRecord, ...]:
        """Those that are open, oldest first, from the first whose id follows ``after``."""
        ...

    def ended(self, at_us: int, *, limit: int) -> tuple[AlertRecord, ...]:
        """Those that are open although their ``ends_us`` has come."""
        ...

    def append(self, alert: Alert, *, to: Sequence[str] = ()) -> AlertRecord:
        """Raise an alert."""
        ...

    def raise_once(self, key: str, alert: Alert, *, to: Sequence[str] = ()) -> AlertRecord | None:
        """Raise an alert unless one was ever raised under this key; ``None`` when one was."""
        ...

    def resolve(self, number: int, *, at_us: int) -> AlertRecord:
        """Mark an alert as resolved, once; whoever is told of the alert is told of that. Raises NoSuchName."""
        ...


class Outbox(Protocol):
    """What channels have still to be told of alerts, and what they were told."""

    def due(self, channel: str, *, at_us: int) -> int | None:
        """The delivery that waits longest, by its id; ``None`` = none is due yet."""
        ...

    def claim(self, number: int, *, at_us: int, until_us: int) -> Delivery | None:
        """Count a try of a delivery that is due, which nobody else can before ``until_us``; ``None`` = it is not due
        any more.
        """
        ...

    def delivered(self, number: int, *, at_us: int) -> None:
        """A delivery has arrived."""
        ...

    def failed(self, number: int, *, problem: str, next_us: int | None) -> None:
        """A delivery has not arrived; ``None`` gives it up."""
        ...

    def about(self, alerts: Sequence[int]) -> tuple[Delivery, ...]:
        """The deliveries of some alerts, oldest first."""
        ...


class AuditLog(Protocol):
    """Who changed what. It is written with the change itself and by nothing else, and never changed."""

    def newest(self, *, subject: str | None = None, before: int | None = None, limit: int) -> tuple[AuditEntry, ...]:
        """The latest entries, newest first; ``before`` is the id to go on from."""
        ...


class ControlState(Protocol):
    """Everything that people change while the gateway runs."""

    @property
    def keys(self) -> Keys:
        """Virtual keys."""
        ...

    @property
    def budgets(self) -> Budgets:
        """Budgets."""
        ...

    @property
    def top_ups(self) -> TopUps:
        """Top-ups of budgets."""
        ...

    @property
    def alerts(self) -> Alerts:
        """Alerts."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Deliveries of alerts."""
        ...

    @property
    def audit(self) -> AuditLog:
        """The audit log."""
        ...

    def version(self) -> Version:
        """How often each part has changed; cheap enough to be asked twice a second."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
