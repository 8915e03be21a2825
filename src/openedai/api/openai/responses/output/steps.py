"""What the server's tools report to the builder, between the events of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openedai.api.openai.responses.output.open_served import OpenServed, ToolResult
from openedai.api.openai.responses.output.place import Place
from openedai.api.openai.responses.tools import CallableTools
from openedai.contract.generate import GenerateEvent


@dataclass(frozen=True)
class TurnEnded:
    """The model has ended its turn, and the response goes on."""


@dataclass(frozen=True)
class Begun:
    """An item begins that was not written by the model."""

    make: Callable[[Place], OpenServed]


@dataclass(frozen=True)
class Progressed:
    """News of the item with this key, while its tool runs."""

    key: str
    update: Any


@dataclass(frozen=True)
class Ended:
    """The tool of the item with this key has ended."""

    key: str
    result: ToolResult


@dataclass(frozen=True)
class ToolsFound:
    """From here onwards the model may call these tools."""

    tools: CallableTools


Step = TurnEnded | Begun | Progressed | Ended | ToolsFound

Stepped = tuple[int, GenerateEvent | Step]
"""The index of a generation, and an event of it or of a tool."""
