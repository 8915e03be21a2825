"""Ollama's calls about models: `/api/tags`, `/api/show`, `/api/ps`, `/api/pull`, and the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from openedai.api.ollama.types import PullBody, ShowBody
from openedai.api.ollama.values import FOREVER, find, moment
from openedai.catalog.catalog import Model, adapter_specs
from openedai.config import ModelSpec
from openedai.contract.engine import Embedder, Generator
from openedai.engines.registry import engine_class
from openedai.errors import Unsupported
from openedai.http.dialects import OLLAMA
from openedai.http.respond import EventStream, json_line, json_response
from openedai.serving.listing import model_names
from openedai.serving.services import Services, services
from openedai.weights.facts import Facts, Head
from openedai.weights.progress import StoppableProgress

# The version of Ollama whose API is spoken here: clients compare it with what they need.
VERSION = "0.12.11"


class Details(msgspec.Struct):
    """What is not known is empty."""

    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str
    parent_model: str = ""


class Listed(msgspec.Struct, omit_defaults=True):
    """`size` in bytes: of the files, or of the memory where the model is loaded."""

    name: str
    model: str
    size: int
    digest: str
    details: Details
    modified_at: str | UnsetType = UNSET
    size_vram: int | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    context_length: int | UnsetType = UNSET


class Models(msgspec.Struct):
    models: list[Listed]


class Shown(msgspec.Struct):
    license: str
    modelfile: str
    parameters: str
    template: str
    details: Details
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str


async def root(request: Request) -> Response:
    """What clients ask for to see whether a server is there."""
    return PlainTextResponse("OpenedAI is running")


async def version(request: Request) -> Response:
    return json_response({"version": VERSION})


async def tags(request: Request) -> Response:
    here = services(request)
    names = await model_names(here, request.scope["caller"])
    models = [find(here.catalog, name) for name in names]
    return json_response(Models([await _listed(here, model) for model in models]))


async def _listed(here: Services, model: Model) -> Listed:
    facts = await asyncio.to_thread(here.weights.facts, model.spec)
    return Listed(
        name=model.id,
        model=model.id,
        size=facts.size,
        digest=facts.digest,
        details=_details(facts),
        modified_at=moment(facts.modified or here.started),
    )


async def ps(request: Request) -> Response:
    """The models that are loaded. One with adapters is there once, under its own name."""
    here = services(request)
    specs = {spec.id: spec for spec in here.catalog.specs()}
    loaded = []
    for status in here.pool.snapshot().models:
        if status.state != "ready" or status.id not in specs:
            continue
        facts = await asyncio.to_thread(here.weights.facts, specs[status.id])
        loaded.append(
            Listed(
                name=status.id,
                model=status.id,
                size=status.memory,
                digest=facts.digest,
                details=_details(facts),
                size_vram=0,
                expires_at=_expiry(here.settings.idle_timeout, status.idle_seconds),
                context_length=_context(specs[status.id], facts.head),
            )
        )
    return json_response(Models(loaded))


def _expiry(idle_timeout: float, unused: float) -> str:
    """When the model leaves, if nobody uses it again."""
    return FOREVER if idle_timeout == 0 else moment(time.time() + idle_timeout - unused)


def _context(spec: ModelSpec, head: Head) -> int | UnsetType:
    """The most tokens of a prompt and its answer, where the settings or the files say it."""
    found = spec.options.get("context", head.numbers.get(f"{head.family}.context_length", 0))
    return found if isinstance(found, int) and found > 0 else UNSET


async def show(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, ShowBody)
    model = find(here.catalog, body.named)
    facts = await asyncio.to_thread(here.weights.facts, model.spec)
    shown = Shown(
        license=facts.license,
        modelfile="",
        parameters=_parameters(model.spec),
        template="",
        details=_details(facts),
        model_info=_info(facts.head),
        capabilities=_capabilities(model.spec, facts.head),
        modified_at=moment(facts.modified or here.started),
    )
    return json_response(shown, headers=headers)


def _parameters(spec: ModelSpec) -> str:
    """The sampling that a request gets unless it says otherwise, as lines."""
    sampling = spec.options.get("sampling", {})
    return "\n".join(f"{name} {value}" for name, value in sampling.items())


def _info(head: Head) -> dict[str, Any]:
    known = {"general.architecture": head.family, "general.parameter_count": head.parameters}
    numbers = {name: n for name, n in head.numbers.items() if not name.startswith("tokenizer.")}
    return {name: value for name, value in known.items() if value} | numbers


def _capabilities(spec: ModelSpec, head: Head) -> list[str]:
    """Tools work with every model that generates text."""
    kind = engine_class(spec.engine)
    generates = ["completion", "tools"] if issubclass(kind, Generator) else []
    if issubclass(kind, Generator) and kind.supports_images(spec.options):
        generates.append("vision")
    embeds = ["embedding"] if issubclass(kind, Embedder) else []
    return [*generates, *(["thinking"] if head.thinks else []), *embeds]


def _details(facts: Facts) -> Details:
    head = facts.head
    return Details(
        format=facts.format,
        family=head.family,
        families=[head.family] if head.family else [],
        parameter_size=_rounded(head.parameters),
        quantization_level=head.quantisation,
    )


def _rounded(count: int) -> str:
    """`134.52M`, `7.6B`; nothing for nothing."""
    if count >= 10**9:
        return f"{count / 10**9:.1f}B"
    if count >= 10**6:
        return f"{count / 10**6:.2f}M"
    return f"{count / 1000:.1f}K" if count else ""


async def pull(request: Request) -> Response:
    """Fetch a model of the catalogue, if it is not here."""
    here = services(request)
    body, headers = await here.read(request, PullBody)
    spec = find(here.catalog, body.named).spec
    if body.stream is False:
        await _fetch(here, spec)
        return json_response({"status": "success"}, headers=headers)
    return EventStream(
        json_line({"status": f"pulling {spec.id}"}), _pulling(here, spec), headers, OLLAMA
    )


async def _pulling(here: Services, spec: ModelSpec) -> AsyncGenerator[bytes, None]:
    await _fetch(here, spec)
    yield json_line({"status": "success"})


async def _fetch(here: Services, spec: ModelSpec) -> None:
    """What was downloaded stays when the client leaves, and is resumed."""
    progress = StoppableProgress()
    try:
        for one in (spec, *adapter_specs(spec)):
            await asyncio.to_thread(here.library.pull, one, progress)
    finally:
        progress.stop()


async def refuse(request: Request) -> Response:
    """For what changes the catalogue, which only the settings do."""
    raise Unsupported(
        f"{request.method} {request.url.path} is not supported: the models of this server are "
        "those of its settings."
    )
