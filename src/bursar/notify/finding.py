"""A finding: an alert that is due, and the key under which it is raised once."""

from msgspec import Struct

from bursar.config import AlertKind
from bursar.control.values import Alert, Fact, Severity


class Finding(Struct, frozen=True):
    """Something that should be raised unless it was before."""

    key: str
    kind: AlertKind
    alert: Alert


def finding(
    kind: AlertKind,
    key: str,
    *,
    severity: Severity,
    subject: str,
    message: str,
    at_us: int,
    data: dict[str, Fact],
    ends_us: int | None = None,
) -> Finding:
    """A finding of one kind; ``key`` tells it from others of its kind."""
    alert = Alert(
        kind=kind, severity=severity, subject=subject, message=message, at_us=at_us, data=data, ends_us=ends_us
    )
    return Finding(f"{kind}/{key}", kind, alert)
