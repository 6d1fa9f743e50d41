"""Where a Redis server is."""

import pytest

from bursar.counters.redis_link import Address, parse_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address()),
        ("redis://", Address()),
        ("redis://10.0.0.1:7000/3", Address(host="10.0.0.1", port=7000, database=3)),
        ("rediss://u%40:p%2Fw@cache.example/0", Address("cache.example", user="u@", password="p/w", is_tls=True)),
        ("valkey://:pw@h", Address("h", password="pw")),
        ("valkeys://h", Address("h", is_tls=True)),
        ("redis://[::1]:1", Address("::1", port=1)),
        ("unix:///run/r.sock", Address(path="/run/r.sock")),
        ("unix://:pw@/run/r%20s?db=2", Address(path="/run/r s", password="pw", database=2)),
    ],
)
def test_addresses(url, address):
    """A URL names the server, the database and who we are."""
    assert address == parse_address(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://:secret@h", "begins with redis://"),
        ("redis://:secret@h:99999", "port"),
        ("redis://:secret@h/x", "database of a Redis server is a number, not 'x'"),
        ("unix://", "socket"),
    ],
)
def test_unusable_addresses(url, problem):
    """What cannot be used is named, without the password."""
    with pytest.raises(ValueError, match=problem) as wrong:
        parse_address(url)

    assert "secret" not in str(wrong.value)


def test_shown():
    """Messages name the server, not the password."""
    assert "h:1" == Address("h", 1, password="pw").shown
    assert "/run/r" == Address(path="/run/r", password="pw").shown
