"""The hosts from which images may be fetched: those on the public internet.

The server can reach addresses that its clients must not: this machine, its network, and the
metadata service of a cloud, which gives out credentials.
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
# Special ranges inside public ones.
_SPECIAL: tuple[Network, ...] = (
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv6Network("2001::/23"),  # protocol assignments; Teredo contains IPv4 addresses
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4, which contains IPv4 addresses
    IPv6Network("3fff::/20"),
)


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet."""
    address = _embedded_ipv4(address)
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded_ipv4(address: Address) -> Address:
    """The IPv4 address that an IPv6 address contains, if it does; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


@dataclass(frozen=True)
class HostPolicy:
    """Hosts and networks that are allowed though their addresses are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """A policy from host names, addresses and networks (`10.0.0.0/8`). Raises ValueError."""
        hosts, networks = set(), []
        for entry in entries:
            network = _parse_network(entry)
            if network is None:
                hosts.add(entry.lower().rstrip("."))
            else:
                networks.append(network)
        return cls(frozenset(hosts), tuple(networks))

    def allows(self, host: str, address: Address) -> bool:
        """Whether images may be fetched from the host, which has this address."""
        if is_public(address) or host.lower().rstrip(".") in self.hosts:
            return True
        embedded = _embedded_ipv4(address)
        return any(embedded in network for network in self.networks)


def _parse_network(entry: str) -> Network | None:
    """None for a host name. Raises ValueError."""
    try:
        return ip_network(entry)
    except ValueError:
        if "/" in entry or not entry:
            raise
        return None


def parse_address(host: str) -> Address | None:
    """The IP address that a host is written as; None for a name.

    Forms that only some programs accept, such as `127.1` or `2130706433`, are names.
    """
    try:
        return ip_address(host)
    except ValueError:
        return None
