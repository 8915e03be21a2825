"""The parameter `moderation` of chat completions and responses."""

from __future__ import annotations

from typing import Annotated, Literal

from openedai.http.body import Body, UnsupportedValues


class ModerationMode(Body):
    mode: Annotated[Literal["score", "block"], UnsupportedValues("block")]


class ModerationPolicy(Body):
    input: ModerationMode | None = None
    output: ModerationMode | None = None


class ModerationOptions(Body):
    model: str
    policy: ModerationPolicy | None = None
