"""The installed price package, compiled once for the whole session."""

from importlib.metadata import version

import pytest

from bursar.catalog.genai import compile_package
from bursar.catalog.sheet import Sheet
from bursar.catalog.snapshot import Catalog, build_catalog


@pytest.fixture(scope="session")
def packaged() -> Sheet:
    """The packaged prices as a sheet."""
    return compile_package(version("genai-prices"))


@pytest.fixture(scope="session")
def catalog(packaged: Sheet) -> Catalog:
    """The packaged prices as a catalog."""
    return build_catalog(packaged)
