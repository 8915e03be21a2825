"""What is read from a file, within which limits, and why a file cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

Code = Literal["unsupported_file", "invalid_file", "server_error"]


class Section(msgspec.Struct, frozen=True):
    """A named part of a file, such as a page, a slide, a sheet or a chapter.

    It begins at the index `start`, in characters of the text, and ends where the next one begins.
    """

    name: str
    start: int


class Text(msgspec.Struct, frozen=True):
    """The text of a file. Its lines end with a line feed; it has no NUL and no lone surrogate."""

    text: str
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What reading one file may take: seconds of processor time, bytes, characters of text."""

    seconds: float = 60.0
    memory: int = 1 << 30
    characters: int = 20_000_000


class NotReadable(Exception):
    """A file that cannot be read, or not within its limits.

    `code` is that of `last_error` in the official API: `unsupported_file` if files of this type are
    not read, `invalid_file` if this one is broken, encrypted, without text or takes too much, and
    `server_error` if the server failed.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
