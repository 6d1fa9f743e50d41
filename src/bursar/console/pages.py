"""The pages: the first one, the list of requests, and the explanation of one. Readable without a script."""

from collections.abc import Sequence
from typing import Any, Final

from jinja2 import Environment
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bursar.console.alerts.block import open_alerts
from bursar.console.answers import Answers, Explained
from bursar.console.api import next_page
from bursar.console.charts import Segment, timeline
from bursar.console.examples import first_call, simulated_providers
from bursar.console.guard import is_loopback
from bursar.console.overview import REQUESTS, listed, overview_of, requests_link
from bursar.console.queries import NEWEST_PARAMETERS, filters_of
from bursar.control.state import Alerts
from bursar.gateway.state import Gateway
from bursar.ledger.questions import AttemptRow

_FAILED_OUTCOMES: Final = ("error", "timeout", "reset", "cut", "interrupted")

VIEWS: Final[tuple[tuple[str, tuple[tuple[str, str], ...]], ...]] = (
    ("All", ()),
    ("Unpriced", (("price_status", "unpriced"),)),
    ("Estimated", (("usage_status", "estimated"),)),
    ("Failed", tuple(("outcome", one) for one in _FAILED_OUTCOMES)),
    ("Refused", (("outcome", "refused"),)),
)
"""Lists that are a click away: label and filters."""


class Chip(Struct, frozen=True):
    """A filter in force."""

    name: str
    value: str
    without: str
    """The list without it."""


class AttemptView(Struct, frozen=True):
    """An attempt on the page of its call."""

    told: dict[str, Any]
    """As the API tells it."""
    row: AttemptRow
    segments: tuple[Segment, ...]


class Pages:
    """The endpoints of all pages, over one set of templates."""

    def __init__(self, gateway: Gateway, answers: Answers, alerts: Alerts, templates: Environment) -> None:
        self._gateway: Final = gateway
        self._answers: Final = answers
        self._alerts: Final = alerts
        self._templates: Final = templates

    def routes(self) -> list[Route]:
        """Where the pages are."""
        return [
            Route("/", self.overview, name="overview"),
            Route(REQUESTS, self.requests, name="request list"),
            Route(f"{REQUESTS}/{{id}}", self.request, name="request"),
        ]

    async def overview(self, request: Request) -> Response:
        """Spend, its shares and the newest requests, or how to make the first one."""
        summary = await self._answers.summary()
        content = overview_of(summary, now_us=self._answers.now_us())
        snapshot = self._gateway.snapshot
        address = f"{request.url.scheme}://{request.url.netloc}"
        return self._page(
            "overview.html",
            page=content,
            alerts=await open_alerts(self._alerts),
            curl=first_call(snapshot, address=address) if content.is_empty else None,
            unpriced_link=requests_link(*VIEWS[1][1]),
            estimated_link=requests_link(*VIEWS[2][1]),
            interrupted_link=requests_link(("outcome", "interrupted")),
        )

    async def requests(self, request: Request) -> Response:
        """The newest attempts that pass the query's filters."""
        query = request.query_params
        rows = (await self._answers.newest(query)).rows
        filters = filters_of(query, besides=NEWEST_PARAMETERS)
        return self._page(
            "requests.html",
            listed=listed(rows),
            views=[(label, requests_link(*view), sorted(view) == sorted(filters)) for label, view in VIEWS],
            chips=_chips(filters),
            newest=requests_link(*filters) if "after" in query else None,
            older=next_page(request, rows, now_us=self._answers.now_us()),
        )

    async def request(self, request: Request) -> Response:
        """Why one call cost what it did."""
        explained = await self._answers.explained(request.path_params["id"])
        return self._page("request.html", call=explained.told, attempts=_attempts(explained))

    def problem(self, *, status: int, message: str) -> Response:
        """A page in place of one that cannot be shown."""
        return self._page("problem.html", status=status, message=message)

    def _page(self, template: str, *, status: int = 200, **values: object) -> Response:
        snapshot = self._gateway.snapshot
        html = self._templates.get_template(template).render(
            **values,
            status=status,
            simulated=simulated_providers(snapshot),
            is_exposed=not is_loopback(snapshot.config.server.host),
        )
        return HTMLResponse(html, status_code=status, headers={"cache-control": "no-store"})


def _chips(filters: Sequence[tuple[str, str]]) -> list[Chip]:
    return [
        Chip(name, value, requests_link(*filters[:position], *filters[position + 1 :]))
        for position, (name, value) in enumerate(filters)
    ]


def _attempts(explained: Explained) -> list[AttemptView]:
    return [
        AttemptView(told, row, timeline(told))
        for told, row in zip(explained.told["attempts"], explained.rows, strict=True)
    ]
