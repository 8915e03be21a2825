"""The files of a job's results: its metrics by step, as CSV, and its adapter in two formats."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from openedai.gguf.header import read_metadata
from openedai.store.contents import Writing
from openedai.store.database import Query
from openedai.store.files import Files, new_file
from openedai.store.store import Store
from openedai.training.adapters import read_adapter, write_peft

_PURPOSE = "fine-tune-results"

# The official columns, by the names of metrics.
_OFFICIAL = {
    "train_loss": "train_loss",
    "train_mean_token_accuracy": "train_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}


def results_file(steps: Iterable[tuple[int, Mapping[str, float]]]) -> bytes:
    """The official columns, then any others; a field without a value is empty."""
    rows = list(steps)
    others = dict.fromkeys(name for _, metrics in rows for name in metrics)
    columns = [*_OFFICIAL, *(name for name in others if name not in _OFFICIAL)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *(_OFFICIAL.get(name, name) for name in columns)])
    for step, metrics in rows:
        writer.writerow([step, *(_number(metrics.get(name)) for name in columns)])
    return text.getvalue().encode()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


@dataclass(frozen=True)
class MadeFiles:
    """Written contents, by the names of the files that they become."""

    files: Files
    contents: Mapping[str, Writing]

    async def add(self, query: Query, owner: str) -> list[str]:
        """Make the files. Returns their ids, in their order."""
        ids = []
        for name, content in self.contents.items():
            record = new_file(_PURPOSE, name, content.size, owner)
            await self.files.add(query, record, content, enforced=False)
            ids.append(record.id)
        return ids


class ResultFiles:
    """`weights` is the GGUF file of the base model, whose id is `base`."""

    def __init__(self, store: Store, files: Files, weights: Path, base: str) -> None:
        self._store = store
        self._files = files
        self._weights = weights
        self._base = base

    @asynccontextmanager
    async def made(
        self, steps: Iterable[tuple[int, Mapping[str, float]]], adapter: str
    ) -> AsyncIterator[MadeFiles]:
        """The metrics, and the adapter with this holder. They are deleted unless they are added."""
        database = await self._store.database()
        chunks = self._store.contents.read(database, adapter)
        gguf = b"".join([chunk async for chunk in chunks])
        made = {"step_metrics.csv": results_file(steps), "adapter.gguf": gguf}
        made |= await asyncio.to_thread(self._peft, gguf)
        async with AsyncExitStack() as stack:
            contents = {}
            for name, data in made.items():
                writing = await stack.enter_async_context(self._store.contents.writing())
                await writing.add(data)
                await writing.end()
                contents[name] = writing
            yield MadeFiles(self._files, contents)

    def _peft(self, gguf: bytes) -> dict[str, bytes]:
        """The files of PEFT, by their names. Blocking."""
        metadata = read_metadata(self._weights)
        architecture = metadata.strings["general.architecture"]
        heads = metadata.integers[f"{architecture}.attention.head_count"].value
        kv_heads = metadata.integers.get(f"{architecture}.attention.head_count_kv")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "adapter.gguf")
            path.write_bytes(gguf)
            write_peft(
                Path(folder, "peft"),
                read_adapter(path),
                base_model=self._base,
                heads=heads,
                kv_heads=heads if kv_heads is None else kv_heads.value,
            )
            return {one.name: one.read_bytes() for one in sorted(Path(folder, "peft").iterdir())}
