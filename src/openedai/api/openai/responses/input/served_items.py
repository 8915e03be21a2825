"""Items of the input: calls of tools that the server has run."""

from __future__ import annotations

from typing import Any, Literal

from openedai.http.body import Body


class WebSearchCall(Body):
    """The model is not told of it again: its answer says what was found."""

    type: Literal["web_search_call"]
    id: str | None = None
    action: dict[str, Any]
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"] | None = None
