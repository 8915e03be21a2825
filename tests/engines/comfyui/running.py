"""A model that runs on fakes of ComfyUI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openedai.engines.comfyui.engine import ComfyUI
from tests.engines.image_servers.comfy_nodes import CHECKPOINTS

FAST = {
    "poll_interval": 0.005,
    "connect_timeout": 10.0,
    "health_interval": 0,
    "size": "64x64",
    "checkpoint": CHECKPOINTS[0],
}


@asynccontextmanager
async def loaded(*urls: str, **options: Any) -> AsyncIterator[ComfyUI]:
    engine = await ComfyUI.load("ours", None, {"urls": list(urls), **FAST, **options})
    try:
        yield engine
    finally:
        await engine.close()
