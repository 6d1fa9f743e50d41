"""One console for all tests that only read, and a browser where there is one."""

import pytest

from support.browser import CHROMIUM, Browser
from support.console import RunningConsole, fill


@pytest.fixture(scope="session")
def console(tmp_path_factory):
    """A console over one call of every kind. Tests that add calls use a team of their own."""
    with RunningConsole(tmp_path_factory.mktemp("console")) as running:
        fill(running)
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A running chromium."""
    if CHROMIUM is None:
        pytest.skip("NO BROWSER: chromium is not installed, so the pages are not tested in one (scripts/test-tools)")
    with Browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running
