"""The console's view of the models: what is on disk and in memory, downloads, and what fits."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.console.admin import require_admin
from openedai.catalog.catalog import Catalog
from openedai.config import ModelSpec
from openedai.errors import ModelNotFound
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.models.downloads import Download, Downloads
from openedai.serving.models.inventory import Inventory, ModelInfo
from openedai.serving.models.loading import Loading
from openedai.weights.library import Library


class Downloading(msgspec.Struct):
    """A download. Bytes of the present step; `total` is None where it is unknown."""

    model: str
    state: str
    step: str
    done: int
    total: int | None
    error: str | None


class KnownModel(msgspec.Struct):
    """A model of the catalogue. `expected_memory` is in bytes, None if it is unknown; `downloaded`
    are the bytes of an unfinished download.
    """

    info: ModelInfo
    expected_memory: int | None
    downloaded: int


class KnownModels(msgspec.Struct):
    """Bytes."""

    memory: int
    memory_budget: int
    models: list[KnownModel]


class ConsoleModels:
    def __init__(
        self,
        catalog: Catalog,
        library: Library,
        loading: Loading,
        downloads: Downloads,
    ) -> None:
        self._catalog = catalog
        self._library = library
        self._loading = loading
        self._downloads = downloads

    async def list_models(self, request: Request) -> Response:
        """Every model of the catalogue, and how much memory and disk it takes."""
        require_admin(exchange_of(request.scope))
        pool = self._loading.status()
        inventory = Inventory(self._catalog, self._library, self._loading.loaded())
        models = await asyncio.to_thread(self._known, inventory)
        return json_response(KnownModels(pool.memory, pool.memory_budget, models))

    async def load(self, request: Request) -> Response:
        """Load a model into memory."""
        spec = self._spec(request)
        await self._loading.load(spec)
        return json_response({"id": spec.id, "state": "loaded"})

    async def unload(self, request: Request) -> Response:
        """Remove a model from memory."""
        spec = self._spec(request)
        await self._loading.unload(spec)
        return json_response({"id": spec.id, "state": "unloaded"})

    async def download(self, request: Request) -> Response:
        """Begin or resume the download of a model. It does not wait for the end."""
        return json_response(downloading(self._downloads.start(self._spec(request))))

    async def pause(self, request: Request) -> Response:
        """Stop a download, and keep what was received."""
        spec = self._spec(request)
        download = await self._downloads.pause(spec.id)
        return json_response(downloading(download or Download(spec.id, "paused")))

    async def delete(self, request: Request) -> Response:
        """Delete what was downloaded of a model."""
        spec = self._spec(request)
        await self._downloads.forget(spec.id)
        freed = await self._loading.remove(spec)
        return json_response({"id": spec.id, "deleted": True, "freed": freed})

    def _spec(self, request: Request) -> ModelSpec:
        require_admin(exchange_of(request.scope))
        name = request.path_params["model"]
        specs = {spec.id: spec for spec in self._catalog.specs()}
        if name not in specs:
            raise ModelNotFound(name)
        return specs[name]

    def _known(self, inventory: Inventory) -> list[KnownModel]:
        specs = {spec.id: spec for spec in self._catalog.specs()}
        return [
            KnownModel(
                info,
                expected_memory=self._memory(specs.get(info.id)),
                downloaded=self._downloaded(specs.get(info.id)),
            )
            for info in inventory.models()
        ]

    def _memory(self, spec: ModelSpec | None) -> int | None:
        """The expected memory; None also for an adapter, which is part of its model."""
        return None if spec is None else self._loading.expected_memory(spec) or None

    def _downloaded(self, spec: ModelSpec | None) -> int:
        return 0 if spec is None else self._library.downloaded(spec)


def downloading(download: Download) -> Downloading:
    fields = Downloading.__struct_fields__
    return Downloading(**{name: getattr(download, name) for name in fields})
