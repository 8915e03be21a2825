"""Sounds in conversations."""

from __future__ import annotations

from typing import Literal

from openedai.http.body import Body


class InputAudio(Body):
    data: str
    format: Literal["wav", "mp3"]
