"""Runs the calls of tools of one type."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from openedai.api.openai.responses.tools import CallableTool
from openedai.api.openai.responses.types import ResponseRequest
from openedai.serving.call import Call


class Runner(Protocol):
    def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yields news of a call of the tool, for its item, and finally the ToolResult.

        Closing the iterator ends the call. Raises ToolFailed and APIError.
        """
