"""Where a call comes from: the peer's address, or what trusted proxies say of it.

`x-forwarded-for` is written by whoever sends it, so only what trusted proxies appended counts: read from the right, the
first address that is not a trusted proxy's is the caller's. Fails closed: an address that cannot be read is none, and
no network contains it.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_MAPPED_BITS: Final = 96


def parse_networks(texts: Iterable[str]) -> Networks:
    """Networks from CIDR texts; a bare address is a network of one. Raises ValueError naming what is none."""
    networks = []
    for text in texts:
        try:
            networks.append(_unmapped(ip_network(text.strip())))
        except ValueError as wrong:
            raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8 or 2001:db8::/32: {wrong}") from None
    return tuple(networks)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 addresses in IPv6 clothes (`::ffff:0:0/96` and below) as the IPv4 network that it is."""
    if isinstance(network, IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _MAPPED_BITS:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def parse_address(text: str) -> Address | None:
    """An address without its port, zone and brackets; IPv4 in IPv6 clothes is IPv4. ``None`` = unreadable."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_within(address: Address | None, networks: Networks) -> bool:
    """Whether an address lies in one of the networks; an unknown one never does."""
    return address is not None and any(address in network for network in networks)


def caller_address(peer: str | None, forwarded: Sequence[str], trusted: Networks) -> Address | None:
    """The address a call comes from.

    ``peer`` is the connection's other end, ``forwarded`` the values of all `x-forwarded-for` headers in order. When all
    who are named are trusted proxies it is the leftmost of them.
    """
    address = parse_address(peer) if peer else None
    for text in reversed(",".join(forwarded).split(",") if forwarded else ()):
        if not is_within(address, trusted):
            return address
        address = parse_address(text)
    return address
