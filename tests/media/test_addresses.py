"""Which addresses count as public: known ranges, in every notation."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.media.addresses import HostPolicy, is_public, parse_address

PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "192.88.99.0/24"),
)
PRIVATE_V6 = (
    *("::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64"),
    *("2001:db8::/32", "2001::/32", "2002::/16", "64:ff9b:1::/48", "3fff::/20", "::/96"),
)


@st.composite
def inside(draw: st.DrawFn, networks: tuple[str, ...]) -> IPv4Address | IPv6Address:
    text = draw(st.sampled_from(networks))
    network = IPv6Network(text) if ":" in text else IPv4Network(text)
    offset = draw(st.integers(0, network.num_addresses - 1))
    return network[offset]


@given(inside(PRIVATE))
def test_private_addresses(address: IPv4Address) -> None:
    assert not is_public(address)


@given(inside(PRIVATE))
def test_private_ipv4_addresses_inside_ipv6(address: IPv4Address) -> None:
    for prefix in ("::ffff:", "64:ff9b::", "2002:", "::"):
        tail = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
        end = "::1" if prefix == "2002:" else ""
        assert not is_public(ip_address(f"{prefix}{tail}{end}"))


@given(inside(PRIVATE_V6))
def test_private_ipv6_addresses(address: IPv6Address) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"),
        *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_public_addresses_are_not_in_special_ranges(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global or address in IPv6Network("64:ff9b::/96")
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast


def test_host_policy() -> None:
    none = HostPolicy.parse(())
    policy = HostPolicy.parse(("Images.Local.", "10.1.0.0/16", "::1", "192.168.0.7"))
    for host, address, allowed in (
        ("images.local", "10.9.9.9", True),
        ("IMAGES.local.", "127.0.0.1", True),
        ("x.images.local", "10.9.9.9", False),
        ("other", "10.1.2.3", True),
        ("other", "::ffff:10.1.2.3", True),
        ("other", "64:ff9b::10.1.2.3", True),
        ("other", "10.2.2.3", False),
        ("::1", "::1", True),
        ("other", "192.168.0.7", True),
        ("other", "192.168.0.8", False),
        ("other", "8.8.8.8", True),
    ):
        assert policy.allows(host, ip_address(address)) is allowed, (host, address)
        assert none.allows(host, ip_address(address)) is (address == "8.8.8.8")


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "10.0.0.1/8", "a/b", ""])
def test_invalid_entries(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        HostPolicy.parse((entry,))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "1.2.3.4."])
def test_unusual_notations_are_names(host: str) -> None:
    assert parse_address(host) is None
