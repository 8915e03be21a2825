"""The limits that a key can have, by their names in the settings."""

from __future__ import annotations

from collections.abc import Mapping

from openedai.config.limits import Limits
from openedai.errors import InvalidRequest

# Of the key's project: files belong to projects.
STORAGE = "storage_bytes"
NAMES = (*Limits.__struct_fields__, STORAGE)
LARGEST = 10**15


def split_limits(given: Mapping[str, int]) -> tuple[dict[str, int], int | None]:
    """The limits of a key, and the bytes that its project may store; None if they are not given.

    Raises InvalidRequest.
    """
    for name, value in given.items():
        if name not in NAMES:
            raise InvalidRequest(
                f"There is no limit '{name}'. There are {', '.join(NAMES)}.", param="limits"
            )
        if not 0 <= value <= LARGEST:
            raise InvalidRequest(
                f"The limit '{name}' is not from 0 to {LARGEST}.", param=f"limits.{name}"
            )
    return {name: value for name, value in given.items() if name != STORAGE}, given.get(STORAGE)
