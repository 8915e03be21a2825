"""What the machine lacks is named, and is no failure of the server."""

from __future__ import annotations

import errno
import os

import pytest

from openedai.errors import APIError, Unavailable
from openedai.http.respond import as_api_error


@pytest.mark.parametrize(
    ("number", "named"),
    [
        *((number, "disk is full") for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
        *((number, "too many open files") for number in (errno.EMFILE, errno.ENFILE)),
    ],
)
def test_shortages_are_named(number: int, named: str) -> None:
    found = as_api_error(OSError(number, os.strerror(number), "/private/file"))
    assert isinstance(found, Unavailable)
    assert named in found.message
    assert "private" not in found.message


def test_other_failures_are_not_shown() -> None:
    for error in (OSError(errno.EIO, "x"), OSError("x"), ValueError("x")):
        found = as_api_error(error)
        assert type(found) is APIError
        assert "x" not in found.message.split()
