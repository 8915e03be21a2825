"""Ollama's calls about models: `/api/tags`, `/api/show`, `/api/ps`, `/api/pull`, and the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.ollama.types import NameBody, PullBody, ShowBody
from openedai.api.ollama.values import FOREVER, find_model, rfc3339
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.models import Model
from openedai.config import ModelSpec
from openedai.contract.engine import Embedder
from openedai.engines.registry import capabilities_of, generator_traits
from openedai.http.exchange import exchange_of
from openedai.http.respond import EventStream, json_line, json_response
from openedai.scheduling.state import ModelStatus
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.listing import Listing
from openedai.serving.models.loading import Loading
from openedai.weights.facts import GgufFacts, WeightFacts, WeightFactsReader


class Details(msgspec.Struct):
    """Unknown values are empty."""

    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str
    parent_model: str = ""


class ListedModel(msgspec.Struct, omit_defaults=True):
    """`size` is in bytes: of the files, or of the memory if the model is loaded."""

    name: str
    model: str
    size: int
    digest: str
    details: Details
    modified_at: str | UnsetType = UNSET
    size_vram: int | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    context_length: int | UnsetType = UNSET


class ModelsResponse(msgspec.Struct):
    models: list[ListedModel]


class ShowResponse(msgspec.Struct):
    license: str
    modelfile: str
    parameters: str
    template: str
    details: Details
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str


class OllamaModels:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        listing: Listing,
        loading: Loading,
        weight_facts: WeightFactsReader,
        idle_timeout: float,
        tuned: TunedModels,
    ) -> None:
        """`idle_timeout` is in seconds; 0 for never."""
        self._calls = calls
        self._catalog = catalog
        self._listing = listing
        self._loading = loading
        self._weight_facts = weight_facts
        self._idle_timeout = idle_timeout
        self._tuned = tuned

    async def tags(self, request: Request) -> Response:
        exchange = exchange_of(request.scope)
        ids = await self._listing.ids(exchange)
        for id in ids:
            await self._tuned.prepare(exchange.owner, id)
        models = [find_model(self._catalog, id) for id in ids]
        return json_response(ModelsResponse([await self._listed(model) for model in models]))

    async def ps(self, request: Request) -> Response:
        """The models that are loaded. One with adapters is listed once, under its own name."""
        specs = {spec.id: spec for spec in self._catalog.specs()}
        identity = exchange_of(request.scope).identity
        loaded = [
            await self._loaded(specs[status.id], status)
            for status in self._loading.status().models
            if status.id in specs and status.state == "ready"
            if self._catalog.permits(identity, status.id)
        ]
        return json_response(ModelsResponse(loaded))

    @takes(ShowBody)
    async def show(self, request: Request) -> Response:
        call = await self._calls.read(request, ShowBody, self._model)
        facts = await self._facts(call.spec)
        description = ShowResponse(
            license=facts.license,
            modelfile="",
            parameters=_parameters(call.spec),
            template="",
            details=_details(facts),
            model_info=_info(facts.gguf),
            capabilities=_capabilities(call.spec, facts.gguf),
            modified_at=rfc3339(facts.modified or self._listing.started),
        )
        return json_response(description, headers=call.headers)

    @takes(PullBody)
    async def pull(self, request: Request) -> Response:
        """Download a model of the catalogue, unless it is downloaded."""
        call = await self._calls.read(request, PullBody, self._model)
        if call.body.stream is False:
            await self._loading.pull(call.spec)
            return json_response({"status": "success"}, headers=call.headers)
        first = json_line({"status": f"pulling {call.spec.id}"})
        return EventStream(call.exchange, first, self._pulling(call.spec), call.headers)

    async def _pulling(self, spec: ModelSpec) -> AsyncGenerator[bytes, None]:
        await self._loading.pull(spec)
        yield json_line({"status": "success"})

    async def _listed(self, model: Model) -> ListedModel:
        facts = await self._facts(model.spec)
        return ListedModel(
            name=model.id,
            model=model.id,
            size=facts.size,
            digest=facts.digest,
            details=_details(facts),
            modified_at=rfc3339(facts.modified or self._listing.started),
        )

    async def _loaded(self, spec: ModelSpec, status: ModelStatus) -> ListedModel:
        facts = await self._facts(spec)
        return ListedModel(
            name=status.id,
            model=status.id,
            size=status.memory,
            digest=facts.digest,
            details=_details(facts),
            size_vram=0,
            expires_at=_expiry(self._idle_timeout, status.idle_seconds),
            context_length=_context(spec, facts.gguf),
        )

    async def _facts(self, spec: ModelSpec) -> WeightFacts:
        return await asyncio.to_thread(self._weight_facts.facts, spec)

    def _model(self, body: NameBody) -> Model:
        return find_model(self._catalog, body.requested)


def _expiry(idle_timeout: float, idle_seconds: float) -> str:
    """When the model is unloaded if nobody uses it again."""
    return FOREVER if idle_timeout == 0 else rfc3339(time.time() + idle_timeout - idle_seconds)


def _context(spec: ModelSpec, gguf: GgufFacts) -> int | UnsetType:
    """The most tokens of a prompt and its answer, if the settings or the files say so."""
    traits = generator_traits(spec.engine, spec.options)
    context = traits.context if traits else None
    if context is None:
        context = gguf.numbers.get(f"{gguf.family}.context_length", 0)
    return context if isinstance(context, int) and context > 0 else UNSET


def _parameters(spec: ModelSpec) -> str:
    """The sampling that a request gets unless it sets its own, as lines."""
    traits = generator_traits(spec.engine, spec.options)
    sampling = traits.sampling if traits else {}
    return "\n".join(f"{name} {value}" for name, value in sampling.items())


def _info(gguf: GgufFacts) -> dict[str, Any]:
    known = {"general.architecture": gguf.family, "general.parameter_count": gguf.parameters}
    numbers = {name: n for name, n in gguf.numbers.items() if not name.startswith("tokenizer.")}
    return {name: value for name, value in known.items() if value} | numbers


def _capabilities(spec: ModelSpec, gguf: GgufFacts) -> list[str]:
    """Tools work with every model that generates text."""
    traits = generator_traits(spec.engine, spec.options)
    capabilities = {
        "completion": traits is not None,
        "tools": traits is not None,
        "vision": traits is not None and traits.supports_images,
        "thinking": gguf.switches_reasoning,
        "embedding": Embedder in capabilities_of(spec.engine, spec.options),
    }
    return [name for name, is_present in capabilities.items() if is_present]


def _details(facts: WeightFacts) -> Details:
    gguf = facts.gguf
    return Details(
        format=facts.format,
        family=gguf.family,
        families=[gguf.family] if gguf.family else [],
        parameter_size=_rounded(gguf.parameters),
        quantization_level=gguf.quantisation,
    )


def _rounded(count: int) -> str:
    """`134.52M`, `7.6B`; empty for 0."""
    if count >= 10**9:
        return f"{count / 10**9:.1f}B"
    if count >= 10**6:
        return f"{count / 10**6:.2f}M"
    return f"{count / 1000:.1f}K" if count else ""
