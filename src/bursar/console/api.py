"""The JSON API: answers of the ledger, given out in the flat form that the command line prints."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bursar.clock import format_us
from bursar.console.admin import AdminToken
from bursar.console.answers import Answers
from bursar.console.openapi import openapi_document
from bursar.console.operation import Operation
from bursar.console.operations import PREFIX, operations_by_path
from bursar.console.queries import cursor_of, newest_question
from bursar.console.replies import Endpoint, json_answer
from bursar.ledger.plain import attempt, coverage, measures, report_rows
from bursar.ledger.questions import AttemptRow, ReportRow


def api_routes(answers: Answers, others: Iterable[Mapping[str, Endpoint]], admin: AdminToken) -> list[Route]:
    """One route for each path of the table; what writes asks for the admin token first.

    ``others`` are the endpoints that are not answered by the ledger alone, by the names of their operations.
    """
    endpoints = _endpoints(answers)
    for more in others:
        endpoints.update(more)
    return [
        Route(
            PREFIX + path,
            _by_method({one.method: _admitted(endpoints[one.name], one, admin) for one in operations}),
            methods=[one.method for one in operations],
            name=operations[0].name,
        )
        for path, operations in operations_by_path().items()
    ]


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


def _admitted(endpoint: Endpoint, operation: Operation, admin: AdminToken) -> Endpoint:
    if not operation.needs_token:
        return endpoint

    async def checked(request: Request) -> Response:
        admin.check(request)
        return await endpoint(request)

    return checked


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
        told["coverage"] = coverage(answer.week)
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
