"""Loading a model with any engine: the entry to the engines for the rest of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openedai.contract.adapter import Adapter
from openedai.contract.engine import Engine
from openedai.engines.process.early import EarlyStart
from openedai.engines.process.hosted import Hosted
from openedai.engines.process.watchdog import SilenceLimits
from openedai.engines.registry import engine_class, engine_entry


async def load_engine(
    engine: str,
    model: str,
    path: Path | None,
    options: Mapping[str, Any],
    adapters: Sequence[Adapter] = (),
    early: EarlyStart | None = None,
    limits: SilenceLimits | None = None,
) -> Engine:
    """Load a model with the named engine, in a worker process if the engine needs one.

    The option `worker = true` gives any engine a worker, and `early` may have one that is already
    loading the model. `limits` are for workers. Raises an APIError.
    """
    options = dict(options)
    wants_worker = bool(options.pop("worker", engine_entry(engine).in_worker))
    if wants_worker:
        if engine_entry(engine).secret_options:
            early = None  # its file would have them
        return await Hosted.start(engine, model, path, options, adapters, early, limits)
    return await engine_class(engine).load_with_adapters(model, path, options, adapters)
