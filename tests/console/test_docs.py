"""docs/console.md: its examples run, and it names every operation but those that have a page of their own."""

import re
import shlex
from pathlib import Path

import pytest

from bursar.console.budgets.operations import BUDGET_OPERATIONS
from bursar.console.checks.operations import CHECK_OPERATIONS
from bursar.console.keys.operations import KEY_OPERATIONS
from bursar.console.operations import OPERATIONS, PREFIX
from bursar.console.queries import MOST_ATTEMPTS, MOST_GROUPS

PAGE = (Path(__file__).parents[2] / "docs" / "console.md").read_text(encoding="utf-8")

EXAMPLES = re.findall(r"```sh\n(.+?)\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(console, example):
    """Each example is a curl command that is answered with JSON."""
    command, *_, url = shlex.split(example)
    path = url.removeprefix("http://127.0.0.1:4100").replace("/ID", "/call-000001")
    answer = console.get(path)

    assert command == "curl"
    assert answer.status == 200
    assert answer.json is not None


def test_every_operation_has_an_example():
    """No operation is left out."""
    asked = " ".join(EXAMPLES).replace("/ID", "/{id}")

    elsewhere = (*KEY_OPERATIONS, *BUDGET_OPERATIONS, *CHECK_OPERATIONS)
    assert [one.path for one in OPERATIONS if one not in elsewhere and PREFIX + one.path not in asked] == []


@pytest.mark.parametrize("name", [name for one in OPERATIONS for name in one.headers if name != "link"])
def test_headers_are_named(name):
    """Response headers are on the page."""
    assert f"`{name}`" in PAGE


def test_limits_are_true():
    """The page's limits are the code's."""
    assert (f"at most {MOST_GROUPS} groups" in PAGE, f"at most {MOST_ATTEMPTS})" in PAGE) == (True, True)
