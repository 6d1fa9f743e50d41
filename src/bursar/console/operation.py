"""One operation of the JSON API, and one parameter of it, as both routes and the OpenAPI document are made of them."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Schema = Mapping[str, Any]
"""A JSON Schema."""


class Parameter(Struct, frozen=True):
    """One parameter of an operation."""

    name: str
    text: str
    schema: Schema
    place: Literal["query", "path"] = "query"


class Operation(Struct, frozen=True):
    """One thing that can be asked or done."""

    name: str
    """The OpenAPI operation id, and the name of the route."""
    path: str
    """Below `PREFIX`."""
    summary: str
    text: str
    answer: str
    """Name of the schema of its answer, in the document's components."""
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    has_filters: bool = False
    """Every parameter that is not listed is a filter by dimension."""
    headers: Mapping[str, str] = {}
    """Response headers and what they say."""
    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    """Everything but GET changes something, unless `is_question`, and needs the admin token."""
    body: str | None = None
    """Name of the schema of the request's body."""
    status: int = 200
    """Of its answer."""
    is_question: bool = False
    """It changes nothing, whatever its method, and takes a virtual key as well as the admin token."""

    @property
    def needs_token(self) -> bool:
        """Whether the admin token must be presented."""
        return self.method != "GET" and not self.is_question
