"""Every metered route, from the tables of the dialects."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from bursar.config import DialectName
from bursar.dialects.registry import dialect_for
from bursar.wiring.reference.markdown import table

_HEAD: Final = ("method", "path", "operation", "charged for")

_MOUNTS: Final[tuple[tuple[DialectName, str, str], ...]] = (
    ("openai", "/v1", "OpenAI, and every OpenAI-compatible provider"),
    ("anthropic", "/anthropic", "Anthropic"),
    ("gemini", "/gemini", "Gemini, and Gemini on Vertex AI"),
    ("azure", "/azure", "Azure OpenAI"),
    ("bedrock", "/bedrock", "Amazon Bedrock"),
)
"""A dialect, where it is mounted, and who speaks it."""


class MeteredRoute(Struct, frozen=True):
    """One line of the page."""

    dialect: str
    method: str
    path: str
    """As a client asks for it, with ``{placeholders}``."""
    operation: str
    is_billable: bool


def routes() -> str:
    """A table for each mounted dialect."""
    every = list(metered_routes())
    parts = []
    for dialect, mount, title in _MOUNTS:
        rows = [
            (one.method, f"`{one.path}`", f"`{one.operation}`", "yes" if one.is_billable else "no")
            for one in every
            if one.dialect == dialect
        ]
        parts.append(f"## {title}: `{mount}`\n\n{table(_HEAD, rows)}")
    return "\n\n".join(parts)


def metered_routes() -> Iterator[MeteredRoute]:
    """Every listed route below its mount; raises ValueError for one that its dialect does not match."""
    for dialect, mount, _ in _MOUNTS:
        for method, path in dialect_for(dialect).routes:
            endpoint = dialect_for(dialect).match(method, filled(path))
            if endpoint is None:
                raise ValueError(f"{dialect} lists {method} {path} and does not match it")
            yield MeteredRoute(dialect, method, mount + path, endpoint.operation, endpoint.billable)


def filled(path: str) -> str:
    """A listed path with something in place of its placeholders."""
    return re.sub(r"{\w+}", "x1", path)
