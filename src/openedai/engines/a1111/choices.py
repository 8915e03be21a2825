"""The checkpoint and sampler that a request chooses.

Web UIs ignore an unknown checkpoint, and some an unknown sampler, so their lists are read first.
"""

from __future__ import annotations

from openedai.contract.images import ImageRequest
from openedai.engines.a1111.api import WebUI
from openedai.engines.a1111.options import A1111Options
from openedai.engines.remote.failures import ReplicaFailed
from openedai.errors import APIError, BadGateway, ModelNotFound, invalid_value


def chosen_checkpoint(request: ImageRequest, options: A1111Options) -> str | None:
    """The name of the checkpoint; None for the one that the web UI has loaded."""
    return options.checkpoint if request.variant is None else request.variant


async def check_choices(webui: WebUI, request: ImageRequest, options: A1111Options) -> None:
    """Raise InvalidRequest for an unknown sampler, ReplicaFailed for an unknown checkpoint."""
    checkpoint = chosen_checkpoint(request, options)
    if checkpoint is not None:
        known = await webui.list("sd-models")
        if not any(checkpoint in (one.title, one.model_name) for one in known):
            raise ReplicaFailed(_no_checkpoint(webui, request, checkpoint), down=False)
    if request.sampler is not None:
        samplers = await webui.list("samplers")
        if not any(request.sampler in (one.name, *(one.aliases or ())) for one in samplers):
            names = ", ".join(sorted(one.name for one in samplers))
            raise invalid_value("sampler", f"the web UI has these: {names}")


def _no_checkpoint(webui: WebUI, request: ImageRequest, checkpoint: str) -> APIError:
    if request.variant is not None:
        return ModelNotFound(checkpoint)
    return BadGateway(f"{webui.connections.failures.name} has no checkpoint `{checkpoint}`.")
