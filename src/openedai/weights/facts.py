"""Facts about a model from its files: sizes, a digest, and the header of a GGUF file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from openedai.config import ModelSpec
from openedai.engines.registry import engine_entry
from openedai.gguf.header import most_common_type, read_header
from openedai.weights.library import Library

_FAMILY_SUFFIX = ".block_count"  # of the metadata key that begins with the family
_REASONING_SWITCH = b"enable_thinking"  # in a chat template


@dataclass(frozen=True)
class GgufFacts:
    """Facts from the header of a GGUF file; 0 or empty where unknown. `numbers` are the integers
    of its metadata, `quantisation` is the type of most weights, `switches_reasoning` is whether
    its chat template can switch reasoning on and off.
    """

    family: str = ""
    parameters: int = 0
    quantisation: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    switches_reasoning: bool = False


@dataclass(frozen=True)
class WeightFacts:
    """`size` in bytes, `modified` in seconds since 1970; 0 and None if the weights are not on disk.

    `digest` is a SHA-256 in hexadecimal that changes when the files change.
    """

    digest: str
    size: int = 0
    modified: float | None = None
    format: str = ""
    license: str = ""
    gguf: GgufFacts = GgufFacts()


class WeightFactsReader:
    """Blocking, and safe to use from several threads. Each file's header is read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._gguf_facts: dict[tuple[Path, int, int], GgufFacts] = {}

    def facts(self, spec: ModelSpec) -> WeightFacts:
        """The facts about the model's weights that are known without a download."""
        path = self._library.find(spec)
        if path is None:
            return WeightFacts(_digest(spec.digest_input()), license=spec.license)
        manifest, state = self._library.manifest(spec), path.stat()
        files = manifest.files if manifest else (str(path), state.st_size, state.st_mtime_ns)
        return WeightFacts(
            digest=_digest(msgspec.json.encode(files)),
            size=self._library.size(spec) or 0,
            modified=state.st_mtime,
            format=engine_entry(spec.engine).weight_files or "",
            license=spec.license or (manifest.license if manifest else ""),
            gguf=self._gguf(path) if path.suffix == ".gguf" else GgufFacts(),
        )

    def _gguf(self, path: Path) -> GgufFacts:
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        if key not in self._gguf_facts:
            self._gguf_facts[key] = _read_gguf(path)
        return self._gguf_facts[key]


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _read_gguf(path: Path) -> GgufFacts:
    """The facts of a GGUF file; all unknown if it cannot be read."""
    try:
        header = read_header(path)
    except (OSError, ValueError):
        return GgufFacts()
    numbers = {name: number.value for name, number in header.metadata.integers.items()}
    families = (
        name.removesuffix(_FAMILY_SUFFIX) for name in numbers if name.endswith(_FAMILY_SUFFIX)
    )
    weight_type = most_common_type(header.tensors)
    return GgufFacts(
        family=next(families, ""),
        parameters=0 if header.metadata.file_count > 1 else sum(t.weights for t in header.tensors),
        quantisation="" if weight_type is None else weight_type.name,
        numbers=numbers,
        switches_reasoning=_REASONING_SWITCH in header.metadata.raw,
    )
