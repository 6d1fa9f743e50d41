"""Commands on a folder of their own."""

import pytest

from support.commands import Commands


@pytest.fixture
def bursar(tmp_path, capsys, monkeypatch) -> Commands:
    """The command line over an empty ledger and a small price list."""
    monkeypatch.setenv("COLUMNS", "200")
    return Commands(tmp_path, capsys)
