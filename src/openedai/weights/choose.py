"""Selects the files of a model's weights in a repository. Never pickles: they can run code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from openedai.engines.registry import WeightFiles, engine_entry
from openedai.errors import Unavailable

# The order of preference if the source names no quantisation.
PREFERRED_QUANTS = (
    *("Q4_K_M", "Q4_0", "Q8_0", "Q5_K_M", "Q4_K_S", "Q6_K", "Q5_K_S", "Q5_0", "Q4_1", "Q5_1"),
    *("IQ4_XS", "IQ4_NL", "Q3_K_M", "Q3_K_S", "Q2_K", "F16", "BF16", "F32"),
)
ONNX_FILES = ("onnx/model.onnx", "model.onnx")
# Folders with copies of the model for other runtimes.
OTHER_RUNTIMES = frozenset({"onnx", "openvino", "coreml", "tensorflow", "flax", "tflite", "rust"})
CONFIG_SUFFIXES = frozenset({".json", ".txt", ".model", ".md"})
VARIANT = re.compile(r"[\w-]+\.\w+(-\d{5}-of-\d{5})?\.safetensors")
TENSORS = re.compile(r"(\w+/)?model(-\d{5}-of-\d{5})?\.safetensors")
SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.\w+$)")


def choose_gguf(names: Iterable[str], selector: str) -> tuple[str, ...]:
    """The GGUF file that `selector` names, in all its shards, which are in order.

    The selector is a quantisation (`q4_k_m`) or a file's name; empty for the preferred one.
    Raises Unavailable.
    """
    models = _gguf_models(names)
    if selector.lower().endswith(".gguf"):
        found = [group for group in models if any(_has_name(file, selector) for file in group)]
    elif selector:
        found = [group for group in models if _has_quant(group[0], selector)]
    else:
        found = _preferred(models)
    if found:
        return min(found, key=lambda group: (len(group[0]), group[0]))
    if not models:
        raise Unavailable("There is no GGUF file, or it is not whole.")
    available = ", ".join(group[0] for group in models)
    if not selector:
        raise Unavailable(f"There are several GGUF files; name one of them: {available}.")
    raise Unavailable(f"There is no GGUF file `{selector}`; there is: {available}.")


def choose_projector(names: Iterable[str], file_name: str) -> str:
    """The projector with this name, in any folder. Raises Unavailable."""
    found = sorted(name for name in names if _has_name(name, file_name))
    if not found:
        projectors = sorted(name for name in names if "mmproj" in name.lower())
        available = ", ".join(projectors) or "no projector"
        raise Unavailable(f"There is no file `{file_name}`; there is: {available}.")
    return min(found, key=len)


@dataclass(frozen=True)
class FolderFiles:
    """The files in one type of folder: those that are taken, and one that it always has."""

    taken: re.Pattern[str]
    needed: re.Pattern[str]


FOLDERS: dict[WeightFiles, FolderFiles] = {
    "ctranslate2": FolderFiles(
        re.compile(r"model\.bin|(config|tokenizer|preprocessor_config)\.json|vocabulary\.\w+"),
        re.compile(r"model\.bin"),
    ),
    "voice": FolderFiles(re.compile(r"[^/]+\.(onnx|json|npz|bin|txt|md)"), re.compile(r".+\.onnx")),
    "graph": FolderFiles(re.compile(r"[^/]+\.onnx"), re.compile(r".+\.onnx")),
    "pipeline": FolderFiles(
        re.compile(r"model_index\.json|[\w-]+/[\w.-]+\.(json|txt|model|safetensors)"),
        re.compile(r"model_index\.json"),
    ),
}


def choose_folder(names: Iterable[str], engine: str, onnx_name: str = "") -> dict[str, str]:
    """The files of a model's folder, each with its name in the folder here. Raises Unavailable."""
    kind = engine_entry(engine).weight_files
    files = FOLDERS.get(kind) if kind else None
    if files is None:
        return _choose_transformer(names, engine, onnx_name)
    if onnx_name:
        raise Unavailable(f"There is no file `{onnx_name}` that {engine} can take.")
    chosen = {name: name for name in sorted(names) if files.taken.fullmatch(name)}
    for name in _superfluous_variants(chosen):
        del chosen[name]
    if not any(map(files.needed.fullmatch, chosen)):
        raise Unavailable(f"There are no weights that {engine} can take.")
    return chosen


def _superfluous_variants(names: Iterable[str]) -> set[str]:
    """Weights such as `unet/model.fp16.safetensors`, where the folder has those without `.fp16`."""
    tensors = [PurePosixPath(name) for name in names if name.endswith(".safetensors")]
    variants = {path for path in tensors if VARIANT.fullmatch(path.name)}
    complete = {path.parent for path in tensors if path not in variants}
    return {str(path) for path in variants if path.parent in complete}


def _choose_transformer(names: Iterable[str], engine: str, onnx_name: str) -> dict[str, str]:
    """The files of a sentence-transformers folder, each with its name in the model's folder here.

    For an engine that takes ONNX, the named ONNX file or else the model's own becomes `model.onnx`;
    without one, and for other engines, the weights are safetensors. Raises Unavailable if neither
    exists.
    """
    names = sorted(names)
    chosen = {name: name for name in names if _is_config(name)}
    takes_onnx = engine_entry(engine).weight_files == "onnx"
    graph = onnx_file(names) if takes_onnx else None
    if onnx_name:
        graph = onnx_name
        if not takes_onnx or onnx_name not in names or not onnx_name.endswith(".onnx"):
            raise Unavailable(f"There is no file `{onnx_name}` that {engine} can take.")
    if graph:
        # The graph names its data file, so that keeps its name.
        data = [name for name in names if name in {graph + "_data", graph + ".data"}]
        chosen |= {name: PurePosixPath(name).name for name in data} | {graph: "model.onnx"}
    tensors = [name for name in names if TENSORS.fullmatch(name) and _belongs_to_model(name)]
    if graph:
        tensors = [name for name in tensors if "/" in name]
    elif not any("/" not in name or name.startswith("0_") for name in tensors):
        raise Unavailable("There are neither ONNX nor safetensors weights.")
    return chosen | {name: name for name in tensors}


def onnx_file(names: Iterable[str]) -> str | None:
    """The model's own full-precision ONNX file."""
    existing = set(names)
    return next((name for name in ONNX_FILES if name in existing), None)


def _gguf_models(names: Iterable[str]) -> list[tuple[str, ...]]:
    """GGUF files of language models; shards are grouped, and left out if one is missing.

    A repository may have the same weights both whole and in shards.
    """
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in sorted(names):
        base = PurePosixPath(name).name.lower()
        if base.endswith(".gguf") and "mmproj" not in base and "imatrix" not in base:
            groups.setdefault((SHARD.sub("", name), bool(SHARD.search(name))), []).append(name)
    return [tuple(group) for group in groups.values() if _is_complete(group)]


def _is_complete(group: Sequence[str]) -> bool:
    shards = [SHARD.search(name) for name in group]
    numbers = [int(shard[1]) for shard in shards if shard]
    counts = {int(shard[2]) for shard in shards if shard}
    if not numbers:
        return len(group) == 1
    return (
        len(numbers) == len(group)
        and counts == {len(group)}
        and numbers == list(range(1, len(group) + 1))
    )


def _preferred(models: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    for quant in PREFERRED_QUANTS:
        found = [group for group in models if _has_quant(group[0], quant)]
        if found:
            return found
    return models if len(models) == 1 else []


def _has_quant(name: str, quant: str) -> bool:
    """Whether the name has this quantisation: `q4_k` is not in `model-Q4_K_M.gguf`."""
    pattern = rf"(?<![a-z0-9]){re.escape(quant.lower())}(?![a-z0-9_])"
    return re.search(pattern, name.lower().removesuffix(".gguf")) is not None


def _has_name(path: str, name: str) -> bool:
    """Whether a path, or its last part, is this name."""
    return name.lower() in (path.lower(), PurePosixPath(path).name.lower())


def _belongs_to_model(name: str) -> bool:
    """Whether a file is one of the model's own, and not a copy for another runtime."""
    parts = PurePosixPath(name).parts
    return len(parts) <= 2 and parts[0].lower() not in OTHER_RUNTIMES and parts[0][0] != "."


def _is_config(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in CONFIG_SUFFIXES and _belongs_to_model(name)
