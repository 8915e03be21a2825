"""The failure of a tool that the server runs."""

from __future__ import annotations


class ToolFailed(Exception):
    """A tool could not do what it was asked for. The text is for the model and for the client."""
