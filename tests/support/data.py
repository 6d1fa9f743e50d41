"""Where the public test data lives, and the skip that says so when it is absent."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("BURSAR_DATA", Path(__file__).parents[3] / "shared" / "data"))


def need(relative: str) -> Path:
    """The path of a data file or folder; skips the test, loudly, when the data is not there."""
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"public test data not found at {path}; set BURSAR_DATA to the folder that holds it")
    return path
