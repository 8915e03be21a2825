"""Loading and unloading on request."""

from __future__ import annotations

from openedai.config import ModelSpec
from openedai.errors import Unavailable
from openedai.serving.services import Services


async def unload(here: Services, spec: ModelSpec) -> None:
    """Unload the model, if it is loaded. Raises Unavailable while requests use it."""
    if await here.pool.unload(spec.id):
        return
    states = {status.id: status.state for status in here.pool.snapshot().models}
    if states.get(spec.id) in ("loading", "ready"):
        raise Unavailable(
            f"The model `{spec.id}` is in use and cannot be unloaded now.",
            code="model_in_use",
            retry_after=1,
        )
