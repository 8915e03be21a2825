"""Which network addresses may be asked for an image: those of the public internet.

The server may reach what its clients must not: this machine, the network around it, and the
service that tells machines in a cloud their keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address is in the last 32 bits
_UNICAST = IPv6Network("2000::/3")
# Inside of ranges that are public otherwise.
_SPECIAL: tuple[Network, ...] = (
    IPv4Network("192.88.99.0/24"),  # relays from IPv6 to IPv4
    IPv6Network("2001::/23"),  # protocols, among them Teredo, which wraps IPv4 addresses
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # wraps IPv4 addresses
    IPv6Network("3fff::/20"),
)


def is_public(address: Address) -> bool:
    """Whether an address is on the internet, for anyone to reach."""
    address = _unwrapped(address)
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it is of such a kind."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


@dataclass(frozen=True)
class Permission:
    """Hosts and networks that may be asked though their addresses are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Of names, addresses and networks (`10.0.0.0/8`). Raises ValueError."""
        hosts, networks = set(), []
        for entry in entries:
            network = _network(entry)
            if network is None:
                hosts.add(entry.lower().rstrip("."))
            else:
                networks.append(network)
        return cls(frozenset(hosts), tuple(networks))

    def covers(self, host: str, address: Address) -> bool:
        """Whether the host, which has this address, may be asked."""
        if is_public(address) or host.lower().rstrip(".") in self.hosts:
            return True
        meant = _unwrapped(address)
        return any(meant in network for network in self.networks)


def _network(entry: str) -> Network | None:
    """None for the name of a host."""
    try:
        return ip_network(entry)
    except ValueError:
        if "/" in entry or not entry:
            raise
        return None


def as_address(host: str) -> Address | None:
    """The address that is written out as a host; None for a name.

    What only some programs take for an address, such as `127.1` or `2130706433`, is a name.
    """
    try:
        return ip_address(host)
    except ValueError:
        return None
