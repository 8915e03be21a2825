"""The ids of all models that can be asked for, those behind upstreams too."""

from __future__ import annotations

import asyncio
import logging

from openedai.config import ModelSpec
from openedai.contract.engine import Directory
from openedai.errors import APIError
from openedai.serving.services import Services

log = logging.getLogger("openedai.api")

_PATIENCE = 5.0  # seconds for an upstream to say what it has


async def model_names(here: Services, caller: str) -> list[str]:
    """The ids of all models: our own, then those of the upstreams that answer."""
    own = [model.id for model in here.catalog.models()]
    upstreams = [spec for spec in here.catalog.specs() if spec.prefix is not None]
    found = await asyncio.gather(*(_behind(here, spec, caller) for spec in upstreams))
    return list(dict.fromkeys([*own, *(name for names in found for name in names)]))


async def _behind(here: Services, spec: ModelSpec, caller: str) -> list[str]:
    """The models of one upstream; none if it does not answer in time."""
    try:
        async with asyncio.timeout(_PATIENCE), here.pool.lease(spec, Directory, caller) as engine:
            return [f"{spec.prefix}{name}" for name in await engine.models()]
    except (APIError, TimeoutError) as error:
        log.warning("the models of %s are not known: %s", spec.id, str(error) or "no answer")
        return []
