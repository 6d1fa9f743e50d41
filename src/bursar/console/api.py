"""The JSON API: answers of the ledger, given out in the flat form that the command line prints."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bursar.clock import format_us
from bursar.console.answers import Answers
from bursar.console.openapi import openapi_document
from bursar.console.operations import OPERATIONS, PREFIX
from bursar.console.queries import cursor_of, newest_question
from bursar.ledger.plain import attempt, measures, report_rows
from bursar.ledger.questions import AttemptRow, ReportRow

Endpoint = Callable[[Request], Awaitable[Response]]


def api_routes(answers: Answers) -> list[Route]:
    """One route for each operation of the table."""
    endpoints = _endpoints(answers)
    return [Route(PREFIX + one.path, endpoints[one.name], name=one.name) for one in OPERATIONS]


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON; never cached, for the ledger grows."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def json_error(message: str, *, status: int) -> Response:
    """The one shape of every error."""
    return json_answer({"error": {"message": message}}, status=status)


def _endpoints(answers: Answers) -> dict[str, Endpoint]:
    async def report(request: Request) -> Response:
        answer = await answers.report(request.query_params)
        headers = {"x-bursar-groups": str(answer.groups)}
        if answer.lacks_before_us is not None:
            headers["x-bursar-lacks-before"] = format_us(answer.lacks_before_us)
        return json_answer(report_rows(answer), headers=headers)

    async def requests(request: Request) -> Response:
        rows = (await answers.newest(request.query_params)).rows
        following = next_page(request, rows, now_us=answers.now_us())
        headers = {} if following is None else {"link": f'<{following}>; rel="next"'}
        return json_answer([attempt(row) for row in rows], headers=headers)

    async def explain(request: Request) -> Response:
        explained = await answers.explained(request.path_params["id"])
        return json_answer(explained.told)

    async def summary(request: Request) -> Response:
        answer = await answers.summary()
        told: dict[str, Any] = {"today": measures(answer.today), "week": measures(answer.week)}
        for dimension in ("day", "team", "feature", "model"):
            groups: tuple[ReportRow, ...] = getattr(answer, f"by_{dimension}")
            told[f"by_{dimension}"] = [{dimension: row.group[0]} | measures(row.measures) for row in groups]
        return json_answer(told | {"newest": [attempt(row) for row in answer.newest]})

    async def openapi(request: Request) -> Response:
        return json_answer(openapi_document())

    return {"report": report, "requests": requests, "explain": explain, "summary": summary, "openapi": openapi}


def next_page(request: Request, rows: tuple[AttemptRow, ...], *, now_us: int) -> str | None:
    """Path and query of the page that follows these rows; ``None`` when they did not fill theirs."""
    if len(rows) < newest_question(request.query_params, now_us=now_us).limit:
        return None
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*kept, ('after', cursor_of(rows[-1]))])}"
