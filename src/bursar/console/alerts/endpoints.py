"""What answers the API's operation on alerts."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from bursar.clock import format_us
from bursar.console.alerts.operations import DEFAULT, MOST
from bursar.console.paging import next_link, number
from bursar.console.replies import Endpoint, json_answer
from bursar.control.state import ControlState
from bursar.control.values import AlertRecord, Delivery
from bursar.ledger.questions import QuestionError
from bursar.notify.channel import runbook_of


class AlertEndpoints:
    """Answers over one control state, which is asked in a thread."""

    def __init__(self, control: ControlState) -> None:
        self._control: Final = control

    def by_name(self) -> Mapping[str, Endpoint]:
        """Each operation's endpoint."""
        return {"alerts": self.newest}

    async def newest(self, request: Request) -> Response:
        """A page of alerts."""
        query = request.query_params
        limit = number(query.get("limit"), "limit", most=MOST, default=DEFAULT)
        before = number(query["before"], "before", most=2**62) if "before" in query else None
        only_open = _flag(query.get("open", "false"))
        page, deliveries = await asyncio.to_thread(self._page, before, limit=limit + 1, only_open=only_open)
        headers = next_link(request, before=str(page[limit - 1].id)) if len(page) > limit else {}
        told = [alert_fields(one, [each for each in deliveries if each.alert == one.id]) for one in page[:limit]]
        return json_answer(told, headers=headers)

    def _page(
        self, before: int | None, *, limit: int, only_open: bool
    ) -> tuple[tuple[AlertRecord, ...], tuple[Delivery, ...]]:
        page = self._control.alerts.newest(before=before, limit=limit, only_open=only_open)
        return page, self._control.outbox.about([one.id for one in page])


def alert_fields(record: AlertRecord, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """An alert as the API tells it."""
    alert = record.alert
    return {
        "id": record.id,
        "kind": alert.kind,
        "severity": alert.severity,
        "subject": alert.subject,
        "message": alert.message,
        "at": format_us(alert.at_us),
        "resolved_at": _instant(record.resolved_us),
        "key": record.key,
        "data": alert.data,
        "runbook": runbook_of(alert.kind),
        "deliveries": [
            {
                "channel": one.channel,
                "event": one.event,
                "attempts": one.attempts,
                "delivered_at": _instant(one.delivered_us),
                "problem": one.problem,
            }
            for one in deliveries
        ],
    }


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else format_us(at_us)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise QuestionError(f"open: {text[:40]!r} is neither true nor false")
    return text == "true"
