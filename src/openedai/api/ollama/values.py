"""Values that Ollama writes in its own ways: durations, times, names."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from openedai.catalog.catalog import Catalog
from openedai.catalog.models import Model
from openedai.errors import ModelNotFound

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")
_LONGEST = 10**18
FOREVER = "9999-12-31T23:59:59Z"
LATEST = ":latest"


def seconds(value: object) -> float | None:
    """The seconds of a duration: a number of seconds, or a text such as `5m` or `1h30m`.

    None for None. Raises ValueError for what is not a duration.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(max(-_LONGEST, min(_LONGEST, value)))
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("expected seconds, or a duration such as '5m' or '1h30m'")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return -total if value.startswith("-") else total


def rfc3339(at: float) -> str:
    """A time in seconds since 1970, in the notation of RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def now() -> str:
    """The current time in the notation of RFC 3339, with nanoseconds."""
    whole, rest = divmod(time.time_ns(), 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def find_model(catalog: Catalog, name: str) -> Model:
    """The model of that name, with or without the tag `latest`. Raises ModelNotFound."""
    other = name.removesuffix(LATEST) if name.endswith(LATEST) else name + LATEST
    for candidate in (name, other):
        try:
            return catalog.resolve(candidate)
        except ModelNotFound:
            continue
    raise ModelNotFound(name)
