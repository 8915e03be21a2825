"""What requests say about themselves; none of it changes an answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Retention = Literal["in_memory", "24h"]
Verbosity = Literal["low", "medium", "high"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
