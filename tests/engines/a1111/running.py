"""A model that runs on fake web UIs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openedai.engines.a1111.engine import A1111

FAST = {"poll_interval": 0.005, "connect_timeout": 10.0, "health_interval": 0, "size": "64x64"}


@asynccontextmanager
async def loaded(*urls: str, **options: Any) -> AsyncIterator[A1111]:
    engine = await A1111.load("ours", None, {"urls": list(urls), **FAST, **options})
    try:
        yield engine
    finally:
        await engine.close()
