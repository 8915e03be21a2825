"""Specs for default models that are not in the catalogue: files, folders and names on the hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from openedai.catalog.recommended import recommended_spec
from openedai.config import ConfigError, ModelSpec
from openedai.contract.engine import Embedder, Engine, Generator, Reranker
from openedai.engines.registry import engine_for_gguf, engine_for_unlisted
from openedai.weights.sources import HUB_NAME

PATH_STARTS = ("/", "./", "../", "~")


def unlisted_chat_model(name: str, listed: Iterable[str]) -> ModelSpec:
    """The recommended model of this name, or the chat model at `hf:owner/repo[:quant]` or in a GGUF
    file. Raises ConfigError.

    `listed` are the names in the catalogue, for the error message.
    """
    if recommended := recommended_spec(name):
        return recommended
    engine = engine_for_unlisted(Generator)
    if name.startswith("hf:"):
        return ModelSpec(id=name.removeprefix("hf:"), engine=engine, source=name)
    if name.lower().endswith(".gguf"):
        return ModelSpec(id=Path(name).stem, engine=engine, source=name)
    raise ConfigError(
        f"chat_model {name!r} is not a model of the catalogue, not of the form "
        f"`hf:owner/repo[:quant]`, and not a path to a .gguf file. The catalogue has: "
        f"{', '.join(sorted(listed)) or 'nothing'}. openedai models suggest recommends others."
    )


def unlisted_embedding_model(name: str, listed: Iterable[str]) -> ModelSpec:
    """The recommended model of this name, or the embedding model in a folder or a GGUF file, or
    with a name on the hub. Raises ConfigError.

    A name without an owner is one of sentence-transformers' own models.
    """
    if recommended := recommended_spec(name):
        return recommended
    return _in_folder(name, listed, Embedder, "embedding_model", "sentence-transformers")


def unlisted_rerank_model(name: str, listed: Iterable[str]) -> ModelSpec:
    """The reranker in a folder, or with a name on the hub; a name without an owner is one of
    sentence-transformers' cross-encoders. Raises ConfigError.
    """
    return _in_folder(name, listed, Reranker, "rerank_model", "cross-encoder")


def _in_folder(
    name: str, listed: Iterable[str], capability: type[Engine], setting: str, owner: str
) -> ModelSpec:
    """`owner` has the models on the hub whose names have none. A name with `gguf` is one of GGUF
    files.
    """
    gguf = "gguf" in PurePath(name).name.lower()
    engine = engine_for_gguf(capability) if gguf else engine_for_unlisted(capability)
    if name.startswith(PATH_STARTS):
        return ModelSpec(id=Path(name).name, engine=engine, source=name)
    source = name if "/" in name else f"hf:{owner}/{name}"
    source = source if source.startswith("hf:") else f"hf:{source}"
    if not name or not HUB_NAME.fullmatch(source):
        raise ConfigError(
            f"{setting} {name!r} is not a model of the catalogue, a path or a name on the "
            f"hub. The catalogue has: {', '.join(sorted(listed)) or 'nothing'}."
        )
    return ModelSpec(id=name.removeprefix("hf:"), engine=engine, source=source)
