"""The installed price package, compiled once for the whole session."""

from importlib.metadata import version
from pathlib import Path

import pytest

from bursar.catalog.compiled import packaged_path, write_sheet
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


@pytest.fixture
def data_dir(tmp_path: Path, packaged: Sheet) -> Path:
    """A data directory whose cache of the packaged prices is warm."""
    write_sheet(packaged_path(tmp_path), packaged)
    return tmp_path
