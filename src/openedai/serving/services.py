"""What every route may use, and the few steps that all of them take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from openedai.catalog.catalog import Catalog, Model
from openedai.config import ModelSpec, Settings
from openedai.engines.registry import engine_entry
from openedai.errors import ModelNotFound
from openedai.http.body import Body, read_json
from openedai.http.envelope import Exchange
from openedai.media.images import Images
from openedai.scheduling.pool import ModelPool
from openedai.serving.metrics import Metrics
from openedai.serving.stopping import Running
from openedai.weights.facts import WeightFactsReader
from openedai.weights.library import Library

_FILE = re.compile(r"[A-Za-z0-9+/=_-]{512,}")
B = TypeVar("B", bound=Body)


@dataclass
class Chosen:
    """The model that is worked with where a request names none; None is the default one."""

    model: Model | None = None


@dataclass(frozen=True)
class Services:
    settings: Settings
    catalog: Catalog
    pool: ModelPool
    metrics: Metrics
    images: Images
    library: Library
    weights: WeightFactsReader
    started: int
    running: Running = field(default_factory=Running)
    chosen: Chosen = field(default_factory=Chosen)

    async def read(self, request: Request, model: type[B]) -> tuple[B, dict[str, str]]:
        """The parsed body, and headers that the answer must carry.

        A model that the URL names goes before the body's.
        """
        named = request.path_params.get("model")
        body, headers = await read_json(
            request,
            model,
            limit=self.settings.max_body_bytes,
            unknown=self.settings.unknown_parameters,
            given={} if named is None else {"model": named},
            carries=self._is_open,
        )
        if self.settings.log_prompts:
            exchange: Exchange = request.scope["exchange"]
            exchange.facts["body"] = _logged(body)
        return body, headers

    def _is_open(self, fields: Mapping[str, Any]) -> bool:
        """Whether the model of a body is one that knows more parameters than this server."""
        name = fields.get("model")
        try:
            if not isinstance(name, str):
                return False
            spec = self.catalog.resolve(name).spec
            return engine_entry(spec.engine).passes_unknown_parameters
        except ModelNotFound:
            return False

    def limits(self, spec: ModelSpec) -> dict[str, str]:
        """The rate-limit headers: the places, running and waiting, that the model has.

        A place is free as soon as any request ends, so there is no time to wait while some are.
        """
        limit, remaining = self.pool.occupancy(spec)
        return {
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(remaining),
            "x-ratelimit-reset-requests": "0s" if remaining else "1s",
        }


def _logged(body: Body) -> str:
    """What is logged of a body: all but the files in it, which are long runs of base64."""
    text = body.model_dump_json(exclude_unset=True, by_alias=True, warnings=False)
    return _FILE.sub(lambda run: f"({len(run[0])} characters)", text)


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found
