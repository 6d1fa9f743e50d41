"""The ASGI application beside the gateway: health, metrics, the JSON API and the pages."""

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from bursar.console.admin import AdminToken
from bursar.console.alerts.endpoints import AlertEndpoints
from bursar.console.answers import Answers, UnknownCall
from bursar.console.api import api_routes
from bursar.console.assets import MOUNT, Assets
from bursar.console.budgets.endpoints import BudgetEndpoints
from bursar.console.checks.endpoints import CheckEndpoints
from bursar.console.fleet import Alone, Fleet, exposition, readiness
from bursar.console.guard import Guard
from bursar.console.keys.endpoints import KeyEndpoints
from bursar.console.pages import Pages
from bursar.console.replies import json_error
from bursar.console.shared import shared_families
from bursar.console.templating import environment
from bursar.control.state import ControlState
from bursar.control.values import BadTerms, DeclaredInFile, NameTaken, NoSuchName
from bursar.errors import ControlUnavailable, CountersUnavailable, LedgerUnavailable
from bursar.gateway.state import Gateway
from bursar.ledger.client import AsyncLedgerClient, SocketClient
from bursar.ledger.questions import QuestionError

_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (QuestionError, 400),
    (BadTerms, 400),
    (UnknownCall, 404),
    (NoSuchName, 404),
    (NameTaken, 409),
    (DeclaredInFile, 409),
    (LedgerUnavailable, 503),
    (ControlUnavailable, 503),
    (CountersUnavailable, 503),
)
"""What our own errors are in HTTP."""


def create_app(
    *,
    gateway: Gateway,
    ledger: AsyncLedgerClient,
    control: ControlState,
    admin: AdminToken,
    data_dir: Path,
    fleet: Fleet | None = None,
) -> Starlette:
    """Build the application over one worker's gateway, and the ledger and control state of its data folder.

    ``fleet`` is that worker and its colleagues; ``None`` when it has none.
    """
    answers = Answers(gateway, ledger, data_dir)
    others = (
        KeyEndpoints(gateway, control).by_name(),
        BudgetEndpoints(gateway, control, SocketClient(data_dir)).by_name(),
        CheckEndpoints(gateway, control, admin).by_name(),
        AlertEndpoints(control).by_name(),
    )
    assets = Assets()
    pages = Pages(gateway, answers, control.alerts, environment(assets))
    return Starlette(
        routes=[
            *_monitoring(gateway, fleet or Alone(gateway)),
            *api_routes(answers, others, admin),
            Route(f"{MOUNT}/{{name}}", assets.serve),
            *pages.routes(),
        ],
        middleware=[Middleware(Guard, listens_on=gateway.snapshot.config.server.host)],
        exception_handlers=_handlers(pages),
    )


def _monitoring(gateway: Gateway, fleet: Fleet) -> list[Route]:
    async def healthz(request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Whether this gateway takes calls; 503 with the reasons when it does not."""
        found = readiness(fleet.reports(), now_us=gateway.clock.monotonic_us())
        return JSONResponse(
            {"ready": found.ready, "reasons": list(found.reasons)}, status_code=200 if found.ready else 503
        )

    async def metrics(request: Request) -> Response:
        """Counters of all workers in Prometheus' text format."""
        text = exposition(fleet, gateway.clock, shared_families(gateway))
        return Response(text, media_type="text/plain; version=0.0.4")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def _handlers(pages: Pages) -> dict[type[Exception] | int, ExceptionHandler]:
    """Errors in the form of whoever asked: JSON under ``/api/``, a page elsewhere."""

    async def answer(request: Request, failed: Exception) -> Response:
        status, headers = 500, None
        if isinstance(failed, HTTPException):
            status, headers = failed.status_code, failed.headers
        else:
            status = next(code for kind, code in _STATUS if isinstance(failed, kind))
        if request.url.path.startswith("/api/"):
            response = json_error(_message(request, failed), status=status)
        else:
            response = pages.problem(status=status, message=_message(request, failed))
        response.headers.update(headers or {})
        return response

    return {HTTPException: answer, **{kind: answer for kind, _ in _STATUS}}


def _message(request: Request, failed: Exception) -> str:
    if not isinstance(failed, HTTPException):
        return str(failed)
    return f"{request.method} {request.url.path}: {failed.detail}"
