"""The open alerts on the first page."""

import asyncio
from typing import Any, Final

from msgspec import Struct

from bursar.console.alerts.endpoints import alert_fields
from bursar.control.state import Alerts
from bursar.errors import ControlUnavailable

SHOWN: Final = 5


class AlertBlock(Struct, frozen=True):
    """What the page shows of them."""

    told: tuple[dict[str, Any], ...] = ()
    """The newest, as the API tells them."""
    has_more: bool = False
    problem: str | None = None
    """Why they cannot be read at the moment."""

    @property
    def is_empty(self) -> bool:
        """There is nothing to say."""
        return not self.told and self.problem is None


async def open_alerts(alerts: Alerts) -> AlertBlock:
    """The newest open alerts; that they cannot be read is no reason not to show the rest of the page."""
    try:
        found = await asyncio.to_thread(alerts.newest, limit=SHOWN + 1, only_open=True)
    except ControlUnavailable as away:
        return AlertBlock(problem=str(away))
    return AlertBlock(tuple(alert_fields(one, ()) for one in found[:SHOWN]), has_more=len(found) > SHOWN)
