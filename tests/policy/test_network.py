"""Where a call comes from."""

from ipaddress import ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bursar.policy.network import caller_address, is_within, parse_address, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "::1"])
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:443 ", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses(text, address):
    """Addresses are read in every form proxies write them in."""
    assert ip_address(address) == parse_address(text)


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "[x]:1", "1.2.3.4, 5.6.7.8"])
def test_no_addresses(text):
    """What is no address is none."""
    assert None is parse_address(text)


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.9", ["203.0.113.5"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("::1", ["203.0.113.5, 10.9.9.9"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5 , 10.1.1.1"], "203.0.113.5"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["203.0.113.5, nonsense"], None),
        ("10.0.0.1", [""], None),
        (None, ["203.0.113.5"], None),
    ],
)
def test_caller(peer, forwarded, caller):
    """The rightmost address that no trusted proxy has; a header from anybody else says nothing."""
    expected = None if caller is None else ip_address(caller)

    assert expected == caller_address(peer, forwarded, PROXIES)


@given(ADDRESSES, st.lists(st.text("0123456789abcdef.:, ", max_size=30), max_size=4))
def test_header_is_ignored_without_proxies(peer, forwarded):
    """Without trusted proxies no header can change the address."""
    assert parse_address(peer) == caller_address(peer, forwarded, ())


@given(ADDRESSES, ADDRESSES, st.lists(ADDRESSES, max_size=3))
def test_callers_cannot_prepend_themselves_elsewhere(peer, real, claimed):
    """Whatever a caller writes to the left of what the trusted proxy appended does not matter."""
    assume(parse_address(real) != parse_address(peer))

    assert parse_address(real) == caller_address(peer, [*claimed, real], parse_networks([peer]))


def test_membership():
    """An unknown address lies nowhere; families do not mix."""
    networks = parse_networks(["192.0.2.0/24"])

    assert is_within(parse_address("::ffff:192.0.2.7"), networks)
    assert not is_within(parse_address("2001:db8::1"), networks)
    assert is_within(parse_address("192.0.2.7"), parse_networks(["::ffff:192.0.2.0/120"]))
    assert not is_within(None, parse_networks(["0.0.0.0/0", "::/0"]))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/40", "home", ""])
def test_bad_networks(text):
    """A network with host bits set is a mistake, not a network."""
    with pytest.raises(ValueError, match="is not a network such as"):
        parse_networks([text])
