"""The models that fine-tuning made: found in the store, and added to the catalogue when they are
used.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from openedai.catalog.catalog import Catalog
from openedai.catalog.models import Model
from openedai.contract.adapter import Adapter
from openedai.errors import ModelNotFound
from openedai.store.fine_tuning import FineTuningRecords, TunedModel
from openedai.store.store import Store

PREFIX = "ft:"


class TunedModels:
    """`folder` has copies of the adapters' files; it may be deleted while no server is running."""

    def __init__(
        self, catalog: Catalog, store: Store, records: FineTuningRecords, folder: Path
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._records = records
        self._folder = folder

    async def prepare(self, owner: str, name: object) -> None:
        """Add the model with this name to the catalogue, if it is one of these.

        Raises ModelNotFound for one of another owner.
        """
        if not (isinstance(name, str) and name.startswith(PREFIX)):
            return
        found = await self.find(owner, name)
        try:
            model = None if found is None else await self._model(found)
        except ModelNotFound:  # its base is no longer served
            model = None
        self._catalog.set_tuned(name, model)

    async def all(self, owner: str) -> list[TunedModel]:
        """The models of this owner whose base is served here."""
        known = {spec.id for spec in self._catalog.specs()}
        return [one for one in await self._records.models(owner) if one.base in known]

    async def find(self, owner: str, name: str) -> TunedModel | None:
        """The model, if it is one of these. Raises ModelNotFound for one of another owner."""
        if not name.startswith(PREFIX):
            return None
        found = await self._records.model(name)
        if found is not None and found.owner != owner:
            raise ModelNotFound(name)
        return found

    async def delete(self, owner: str, name: str) -> bool:
        """Whether there was such a model. Raises ModelNotFound for one of another owner."""
        if await self.find(owner, name) is None:
            return False
        keys: list[str] = []
        async with (await self._store.database()).write() as query:
            content = await self._records.remove_model(query, name)
            if content is not None:
                keys = await self._store.contents.remove(query, content)
        await self._store.contents.discard(keys)
        self._catalog.set_tuned(name, None)
        if content is not None:
            await asyncio.to_thread(self._path(content).unlink, missing_ok=True)
        return True

    async def file(self, model: TunedModel) -> Path:
        """A GGUF file with the model's adapter. Raises Unavailable."""
        path = self._path(model.content)
        if not await asyncio.to_thread(path.exists):
            await self._copy(model.content, path)
        return path

    async def _model(self, found: TunedModel) -> Model:
        spec = self._catalog.resolve(found.base).spec
        adapter = Adapter(name=found.name, path=str(await self.file(found)))
        return Model(found.name, spec, found.name, adapter, owner=found.owner)

    async def _copy(self, content: str, path: Path) -> None:
        database = await self._store.database()
        data = b"".join([part async for part in self._store.contents.read(database, content)])

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{secrets.token_hex(8)}.partial")
            partial.write_bytes(data)
            partial.replace(path)

        await asyncio.to_thread(write)

    def _path(self, content: str) -> Path:
        return self._folder / f"{content}.gguf"
