"""What the server and a process that reads a file send to each other, one frame each."""

from __future__ import annotations

import msgspec

from openedai.extract.result import Code, Text


class Task(msgspec.Struct, frozen=True):
    """Read the file at `path`; its format is told by its bytes and its `name`. Limits as given."""

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
