"""A channel: one way of telling people or machines of alerts, and what it tells them."""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct

from bursar.clock import format_us
from bursar.control.values import Alert, Event, Fact, Severity
from bursar.errors import BursarError

RUNBOOK: Final = "https://github.com/bursar/bursar/blob/main/docs/alerts.md"


class NotDelivered(BursarError):
    """A channel did not take a notice; the message says why and names no secret."""


class Notice(Struct, frozen=True):
    """What a channel is told: the body of a webhook, field by field."""

    event: Event
    id: int | None
    """The alert's; ``None`` while it could not be recorded."""
    key: str
    """The same in everything that is told of one alert: what came twice can be known by it."""
    kind: str
    severity: Severity
    subject: str
    message: str
    at: str
    """ISO 8601."""
    resolved_at: str | None
    data: Mapping[str, Fact]
    runbook: str
    """What to look at and what to do."""


class Addressee(Protocol):
    """Whom alerts are for."""

    @property
    def name(self) -> str:
        """Under which deliveries are queued for it."""
        ...

    def takes(self, kind: str) -> bool:
        """Whether it is told of alerts of a kind."""
        ...


class Channel(Addressee, Protocol):
    """Where alerts are told."""

    async def tell(self, notice: Notice) -> None:
        """Tell it, in bounded time; raises NotDelivered."""
        ...


def notice_of(
    alert: Alert, event: Event, *, key: str, number: int | None = None, resolved_us: int | None = None
) -> Notice:
    """What is told of an alert."""
    return Notice(
        event=event,
        id=number,
        key=key,
        kind=alert.kind,
        severity=alert.severity,
        subject=alert.subject,
        message=alert.message,
        at=format_us(alert.at_us),
        resolved_at=None if resolved_us is None else format_us(resolved_us),
        data=alert.data,
        runbook=runbook_of(alert.kind),
    )


def runbook_of(kind: str) -> str:
    """Where it is written what an alert of a kind means, and what to do."""
    return f"{RUNBOOK}#{kind}"
