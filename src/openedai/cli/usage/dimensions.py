"""What the rows of `openedai usage` may stand for."""

from __future__ import annotations

from typing import Literal

By = Literal["model", "key", "project", "day", "endpoint"]
