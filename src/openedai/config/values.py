"""Checks values of settings beyond their types."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from openedai.config.limits import check_limits
from openedai.config.sources import Secret

_BUCKETS = ("s3", "gs", "az", "azure")


def _check_url(value: str) -> None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"not an http or https URL: {value!r}")
    if parts.query or parts.fragment:
        raise ValueError(f"a URL without query and fragment is expected: {value!r}")


def _check_database(value: Secret | None) -> None:
    url = value.reveal() if value else ""
    if url and urlsplit(url).scheme not in ("postgres", "postgresql"):
        raise ValueError("a URL that begins with postgresql:// is expected")


def _check_blobs(value: str) -> None:
    if value and urlsplit(value).scheme not in _BUCKETS:
        raise ValueError(f"a URL that begins with one of {', '.join(_BUCKETS)} is expected")


def _check_keys(value: tuple[Secret, ...]) -> None:
    for key in value:
        if key.reveal() != key.reveal().strip() or not key.reveal():
            raise ValueError("a key is empty, or has spaces around it")


def _check_hosts(value: tuple[str, ...]) -> None:
    for entry in value:
        if "/" in entry:
            from ipaddress import ip_network

            ip_network(entry)
        elif not entry or "://" in entry:
            raise ValueError(f"not a host, an address or a network: {entry!r}")


def _check_proxies(value: tuple[str, ...]) -> None:
    from ipaddress import ip_network

    for entry in value:
        if entry != "unix":
            ip_network(entry)


def _check_root_path(value: str) -> None:
    if value and not (value.startswith("/") and value.strip("/") and "//" not in value):
        raise ValueError(f"a path that begins with a slash is expected: {value!r}")
    if any(mark in value for mark in "?#% "):
        raise ValueError(f"a path without '?', '#', '%' and spaces is expected: {value!r}")


def _check_mode(value: str) -> None:
    if len(value) not in (3, 4) or not set(value) <= set("01234567"):
        raise ValueError(f"three octal digits are expected, such as 660: {value!r}")


def _check_destination(value: str) -> None:
    if not value or value.startswith("-") or value.split() != [value]:
        raise ValueError(f"not where ssh can connect to: {value!r}")


def memory_bytes(text: str, *, total: int) -> int:
    """Read `80%` (of `total` bytes), `6GiB`, `512MB` or plain bytes. Raises ValueError."""
    units = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
    units |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
    digits = text.strip().rstrip("%KMGIBkmgib ")
    unit = text.strip()[len(digits) :].strip().upper()
    try:
        number = float(digits)
    except ValueError:
        number = math.nan
    if unit == "%" and 0 < number <= 100:
        return int(total * number / 100)
    if unit not in units or not 0 < number < math.inf:
        raise ValueError(f"not an amount of memory: {text!r} (write 80%, 6GiB or bytes)")
    return int(number * units[unit])


# Each raises ValueError.
CHECKS: dict[str, Callable[[Any], object]] = {
    "memory_budget": lambda value: memory_bytes(value, total=1 << 30),
    "public_url": _check_url,
    "web_search_url": _check_url,
    "root_path": _check_root_path,
    "trusted_proxies": _check_proxies,
    "unix_socket_mode": _check_mode,
    "tunnel_ssh": _check_destination,
    "api_key": lambda value: _check_keys((value,) if value and value.reveal() else ()),
    "api_keys": _check_keys,
    "database": _check_database,
    "blobs": _check_blobs,
    "limits": check_limits,
    "image_private_hosts": _check_hosts,
    "mcp_private_hosts": _check_hosts,
}
