"""Ids that sort by the time when they were made, in every collation of a database."""

from __future__ import annotations

import re
import secrets
import time

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME = 9  # digits of the milliseconds since 1970: enough until the year 5188
_RANDOM = 15
_MOST = len(_DIGITS) ** _RANDOM


_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(text: str) -> bool:
    """Whether a client's text can be an id, of this server or another one."""
    return _ID.fullmatch(text) is not None


def ordered_id(prefix: str) -> str:
    """The prefix, then 24 lower-case letters and digits."""
    milliseconds = time.time_ns() // 1_000_000
    return prefix + _digits(milliseconds, _TIME) + _digits(secrets.randbelow(_MOST), _RANDOM)


def _digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
