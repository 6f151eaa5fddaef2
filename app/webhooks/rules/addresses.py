"""Which IP addresses belong to the public internet, judged by lists of our own.

`ipaddress.is_global` differs between Python versions and calls NAT64, IPv4-compatible and
site-local addresses global: inside a network these lead to its own machines.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

# IANA's special-purpose registry, and what clouds keep for themselves.
CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
        "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Nothing outside of this is given to anybody's public machines.
UNICAST_V6 = IPv6Network("2000::/3")
# Protocol assignments with Teredo, benchmarking, ORCHID, documentation, 6to4, and AS112.
CLOSED_V6 = tuple(
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# How a host without IPv4 reaches it; the address inside is where the packet goes.
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(text: str, *, allow_loopback: bool = False) -> bool:
    """Whether a message may be sent to this address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if getattr(address, "scope_id", None):
        return False
    if allow_loopback and address.is_loopback:
        return True
    return all(_is_open(each) for each in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """The address a packet ends at, where one stands inside another."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
            return
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFF_FFFF)
            return
    yield address


def _is_open(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED_V4)
    return address in UNICAST_V6 and not any(address in network for network in CLOSED_V6)
