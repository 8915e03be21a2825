"""What the files of a model say of it: sizes, a digest, and what is in the head of a GGUF file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from openedai.config import ModelSpec
from openedai.gguf.header import Header, read_header
from openedai.weights.library import Library

_FORMATS = {
    "llama_cpp": "gguf",
    "onnx_embeddings": "onnx",
    "sentence_transformers": "safetensors",
}
_FAMILY = ".block_count"  # what the name of a number in a file begins with, before this
_THINKING = b"enable_thinking"  # in a chat template


@dataclass(frozen=True)
class Head:
    """What is in a GGUF file's head; 0 or empty what is not. `numbers` are those of the metadata,
    `quantisation` is the type of most weights, `thinks` whether thinking can be switched.
    """

    family: str = ""
    parameters: int = 0
    quantisation: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    thinks: bool = False


@dataclass(frozen=True)
class Facts:
    """`size` in bytes, 0 if nothing is here; `modified` in seconds since 1970, None if nothing is.

    `digest` is a SHA-256 in hexadecimal that is another one when the files are.
    """

    digest: str
    size: int = 0
    modified: float | None = None
    format: str = ""
    license: str = ""
    head: Head = Head()


class Weights:
    """Blocking, and safe to use from several threads. Each file's head is read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._heads: dict[tuple[Path, int, int], Head] = {}

    def facts(self, spec: ModelSpec) -> Facts:
        """What is known of the model now, without a download."""
        path = self._library.find(spec)
        if path is None:
            return Facts(_digest(spec.model_dump_json()), license=spec.license)
        note, state = self._library.note(spec), path.stat()
        files = note.files if note else (str(path), state.st_size, state.st_mtime_ns)
        return Facts(
            digest=_digest(msgspec.json.encode(files).decode()),
            size=self._library.size(spec) or 0,
            modified=state.st_mtime,
            format=_FORMATS.get(spec.engine, ""),
            license=spec.license or (note.license if note else ""),
            head=self._head(path) if path.suffix == ".gguf" else Head(),
        )

    def _head(self, path: Path) -> Head:
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        if key not in self._heads:
            self._heads[key] = _read(path)
        return self._heads[key]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> Head:
    """What cannot be read is not known."""
    try:
        header = read_header(path)
    except (OSError, ValueError):
        return Head()
    numbers = {name: number.value for name, number in header.metadata.integers.items()}
    families = (name.removesuffix(_FAMILY) for name in numbers if name.endswith(_FAMILY))
    return Head(
        family=next(families, ""),
        parameters=0 if header.metadata.file_count > 1 else sum(t.weights for t in header.tensors),
        quantisation=_most(header),
        numbers=numbers,
        thinks=_THINKING in header.metadata.raw,
    )


def _most(header: Header) -> str:
    """The type of most weights."""
    weights: Counter[str] = Counter()
    for tensor in header.tensors:
        weights[tensor.type.name] += tensor.weights
    return weights.most_common(1)[0][0] if weights else ""
