"""The OpenAPI document and the API say the same of each other."""

import pytest
from starlette.routing import Route

from bursar.console.admin import AdminToken
from bursar.console.app import create_app
from bursar.console.openapi import openapi_document
from bursar.console.operations import OPERATIONS, PREFIX
from bursar.console.queries import NEWEST_PARAMETERS, REPORT_PARAMETERS
from bursar.ledger.client import AsyncLedgerClient
from support.schema import faults

ASKED = {
    "report": ("/api/v1/report?by=team,day,stream&since=8d", "Report"),
    "requests": ("/api/v1/requests?limit=50", "Requests"),
    "explain": ("/api/v1/requests/call-000004", "Explanation"),
    "corrected": ("/api/v1/requests/call-000009", "Explanation"),
    "summary": ("/api/v1/summary", "Summary"),
    "keys": ("/api/v1/keys", "Keys"),
    "key": ("/api/v1/keys/clerk", "Key"),
    "budgets": ("/api/v1/budgets", "Budgets"),
    "budget": ("/api/v1/budgets/clerk", "BudgetWhole"),
    "alerts": ("/api/v1/alerts", "Alerts"),
    "audit_log": ("/api/v1/audit-log", "AuditLog"),
    "openapi": ("/api/v1/openapi.json", "Document"),
    "wrong": ("/api/v1/report?by=colour", "Error"),
    "unknown": ("/api/v1/requests/nothing", "Error"),
}


def test_document_is_served(console):
    """The document is what the builder makes."""
    assert console.get("/api/v1/openapi.json").json == openapi_document()


def test_paths_are_the_routes(console):
    """Every route under the prefix is described, and every description has a route."""
    app = create_app(
        gateway=console.gateway,
        ledger=AsyncLedgerClient(console.folder),
        control=console.control,
        admin=AdminToken(b"x"),
        data_dir=console.folder,
    )
    routes = {route.path for route in app.routes if isinstance(route, Route) and route.path.startswith("/api/")}

    assert set(openapi_document()["paths"]) == routes
    assert {one.name for one in OPERATIONS if one.method == "GET"} <= set(ASKED)


def test_parameters_are_those_that_are_read():
    """The described parameters are what the queries take; everything else is a filter."""
    described = {one.name: tuple(parameter.name for parameter in one.parameters) for one in OPERATIONS}

    assert described["report"] == REPORT_PARAMETERS
    assert described["requests"] == NEWEST_PARAMETERS


def test_methods_are_the_operations():
    """Each path has the methods of its operations; what changes something says that it needs the token."""
    described = {
        (path, method.upper()): told
        for path, methods in openapi_document()["paths"].items()
        for method, told in methods.items()
    }

    assert {(PREFIX + one.path, one.method): one.name for one in OPERATIONS} == {
        place: told["operationId"] for place, told in described.items()
    }
    assert {one.name for one in OPERATIONS if one.needs_token} == {
        told["operationId"] for told in described.values() if told.get("security") == [{"admin": []}]
    }


@pytest.mark.parametrize("name", ASKED)
def test_answers_have_the_described_shape(console, name):
    """Real answers fit their schemas, field for field."""
    path, schema = ASKED[name]
    schemas = openapi_document()["components"]["schemas"]

    assert faults(console.get(path).json, schemas[schema], schemas) == []


def test_references_lead_somewhere():
    """Every reference of the document names a schema it holds."""
    document = openapi_document()
    names = set(document["components"]["schemas"])
    used = {text.partition('"')[0] for text in str(document).replace("'", '"').split("#/components/schemas/")[1:]}

    assert used <= names
    assert PREFIX in next(iter(document["paths"]))
