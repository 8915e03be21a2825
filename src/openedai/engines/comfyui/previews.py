"""Previews from the messages that ComfyUI sends while it runs a workflow."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.engines.image_server.job import Preview

_PREVIEW = 1  # the type of a binary message: of the image's type, and the image
_PREVIEW_WITH_METADATA = 4  # and of the metadata's length, the metadata, and the image


class PreviewReader:
    """Reads messages in their order. The progress is that of the node that runs."""

    def __init__(self) -> None:
        self._progress = 0.0

    def text(self, message: str) -> None:
        try:
            value: Any = msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            return
        if not isinstance(value, dict) or value.get("type") != "progress":
            return
        data = value.get("data")
        done, whole = (data.get("value"), data.get("max")) if isinstance(data, dict) else (0, 0)
        if isinstance(done, int | float) and isinstance(whole, int | float) and whole > 0:
            self._progress = done / whole

    def binary(self, message: bytes) -> Preview | None:
        """The preview in a message; None for one that is something else."""
        kind = int.from_bytes(message[:4], "big")
        start = 8
        if kind == _PREVIEW_WITH_METADATA:
            start += int.from_bytes(message[4:8], "big")
        elif kind != _PREVIEW:
            return None
        data = message[start:]
        return Preview(self._progress, data) if data else None
