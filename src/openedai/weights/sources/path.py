"""A local path: used in place, or linked into the model's folder where it needs preparing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from openedai.engines.registry import engine_entry
from openedai.errors import Unavailable
from openedai.weights.choose import choose_folder, choose_gguf, onnx_file
from openedai.weights.disk import files_below, link_or_copy
from openedai.weights.progress import Progress
from openedai.weights.sources.base import Source, Staged


class PathSource(Source):
    """A GGUF file (or a folder with one), or the folder of a sentence-transformers model.

    `projector` is the path of the model's projector, relative to the weights.
    """

    def __init__(self, path: str, engine: str, projector: str = "") -> None:
        self._path = Path(path).expanduser()
        self._engine = engine
        self._projector = projector

    @property
    def key(self) -> str:
        """Changes when a file in the folder does."""
        state = hashlib.sha256()
        single = [(self._path.name, self._path)] if self._path.is_file() else []
        projector = self._path.parent / self._projector
        if single and projector.is_file():
            single.append((self._projector, projector))
        for name, file in single or files_below(self._path):
            stat = file.stat()
            state.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return f"{self._path.absolute()} {self._engine} {state.hexdigest()}"

    def in_place(self) -> Path | None:
        path = self._path
        if self._takes_gguf():
            return path if path.is_file() else self._gguf()
        if not path.is_dir() or self._needs_graph():
            return None
        return path

    def download_size(self) -> int:
        return 0

    def stage(self, folder: Path, downloads: Path, progress: Progress) -> Staged:
        if not self._path.exists():
            raise Unavailable(f"There is no file or folder {self._path}.")
        if self._takes_gguf():
            raise Unavailable(f"{self._path} is no GGUF file.")
        if not self._path.is_dir():
            raise Unavailable(f"{self._path} is no folder with a model.")
        names = [name for name, _ in files_below(self._path)]
        for name, target in choose_folder(names, self._engine).items():
            link_or_copy(self._path / name, folder / target)
        return Staged(".")

    def _takes_gguf(self) -> bool:
        return engine_entry(self._engine).weight_files == "gguf"

    def _gguf(self) -> Path | None:
        if not self._path.is_dir():
            return None
        names = [name for name, _ in files_below(self._path)]
        if not any(name.lower().endswith(".gguf") for name in names):
            return None
        return self._path / choose_gguf(names, "")[0]

    def _needs_graph(self) -> bool:
        names = [name for name, _ in files_below(self._path)]
        return (
            engine_entry(self._engine).weight_files == "onnx" and onnx_file(names) != "model.onnx"
        )
