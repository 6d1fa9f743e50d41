"""The admin token's file."""

import re
import stat

import pytest

from bursar.errors import ConfigError
from bursar.wiring.admin import FILE, admin_token


def test_made_once(tmp_path):
    """The first start makes a token, later ones read it."""
    first = admin_token(tmp_path / "data")
    second = admin_token(tmp_path / "data")

    assert (True, False) == (first.is_new, second.is_new)
    assert first.token == second.token
    assert re.fullmatch(r"bsa-[A-Za-z0-9_-]{43}", first.token)
    assert [FILE] == [path.name for path in (tmp_path / "data").iterdir()]


def test_readable_by_its_owner_alone(tmp_path):
    """Nobody else on the machine may read it."""
    path = admin_token(tmp_path).path

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_tokens_differ(tmp_path):
    """Every data folder has its own."""
    assert admin_token(tmp_path / "a").token != admin_token(tmp_path / "b").token


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_unusable(tmp_path, content):
    """An empty or damaged token is named; a gateway never runs with one that everybody knows."""
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(ConfigError, match=FILE):
        admin_token(tmp_path)
