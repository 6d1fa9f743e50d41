"""The routes that dialects list for people."""

import re
from typing import get_args

import pytest

from bursar.config import DialectName
from bursar.dialects.registry import dialect_for

LISTED = [(name, *route) for name in get_args(DialectName) for route in dialect_for(name).routes]


@pytest.mark.parametrize(("dialect", "method", "path"), LISTED, ids=lambda value: value.replace("/", "."))
def test_listed_route_is_metered(dialect, method, path):
    """What is listed is an endpoint, under its own method alone."""
    filled = re.sub(r"{\w+}", "abc", path)
    endpoint = dialect_for(dialect).match(method, filled)

    assert (dialect, filled) == (endpoint.dialect, endpoint.upstream_path)
    assert dialect_for(dialect).match("PATCH", filled) is None


def test_routes_are_listed_once():
    """No dialect lists a route twice."""
    assert len(LISTED) == len(set(LISTED))
