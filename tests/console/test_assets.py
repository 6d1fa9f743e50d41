"""Static files: named by their content, cached for good, and nothing else is served."""

import re

import pytest

from bursar.console.assets import CACHE_CONTROL, Assets


@pytest.mark.parametrize(
    ("name", "kind"), [("console.css", "text/css"), ("refresh.js", "text/javascript"), ("mark.svg", "image/svg+xml")]
)
def test_served(console, name, kind):
    """A file is served under its present name, for ever."""
    path = Assets().path(name)
    answer = console.get(path)

    assert re.fullmatch(r"/static/\w+\.[0-9a-f]{12}\.\w+", path)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == CACHE_CONTROL


@pytest.mark.parametrize("name", ["console.css", "console.000000000000.css", "..%2fapp.py", "..%2f..%2fmoney.py"])
def test_nothing_else(console, name):
    """An old name, a bare name and a path out of the folder are not found."""
    assert console.get(f"/static/{name}").status == 404


def test_pages_name_their_assets(console):
    """Every page links the present style sheet and script."""
    page = console.get("/").text

    assert all(Assets().path(name) in page for name in ("console.css", "refresh.js", "mark.svg"))


def test_script_is_small(console):
    """The one script stays a small addition."""
    assert len(console.get(Assets().path("refresh.js")).text) < 2048
