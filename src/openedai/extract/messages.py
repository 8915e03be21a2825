"""The messages between the server and a process that reads a file, one frame each."""

from __future__ import annotations

import msgspec

from openedai.extract.result import Code, Text


class Task(msgspec.Struct, frozen=True):
    """Read the file at `path`, whose format follows from its bytes and its `name`, within these
    limits.
    """

    path: str
    name: str
    seconds: float
    memory: int
    characters: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    code: Code
    message: str


class Done(msgspec.Struct, frozen=True, tag=True):
    text: Text


Answer = Done | Failed
