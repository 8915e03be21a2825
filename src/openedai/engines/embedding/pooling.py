"""The modules of a sentence-transformers folder after the encoder: pooling, dense, normalise.

`modules.json` lists the modules; each has a folder with its own config and weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openedai.engines.embedding.batching import normalised
from openedai.engines.embedding.prompts import Prompts, read_prompts
from openedai.errors import EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The older configs' flags, in the order in which several modes are joined.
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU")
SMALLEST_COUNT = 1e-9


@dataclass(frozen=True)
class Head:
    """Makes one vector from the states of a text's tokens. `prompts` go before texts."""

    encoder: Path
    modes: tuple[str, ...]
    after: tuple[Callable[[NDArray[np.float32]], NDArray[np.float32]], ...]
    prompts: Prompts

    def __call__(
        self, states: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """From [batch, sequence, hidden] to [batch, dimensions]; padding is on the right."""
        import numpy as np

        parts = [pooled(mode, states, lengths) for mode in self.modes]
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        for module in self.after:
            vectors = module(vectors)
        return vectors


def pooled(
    mode: str, states: NDArray[np.float32], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """[batch, sequence, hidden] to [batch, hidden]; `mode` is one of FLAGS' values."""
    import numpy as np

    positions = np.arange(states.shape[1])
    real = positions < lengths[:, None]
    match mode:
        case "cls":
            return states[:, 0]
        case "lasttoken":
            return states[np.arange(len(states)), lengths - 1]
        case "max":
            return np.asarray(np.where(real[..., None], states, -np.inf).max(axis=1))
    weights = real * (positions + 1.0 if mode == "weightedmean" else 1.0)
    total = weights.sum(axis=1)
    if mode == "mean_sqrt_len_tokens":
        total = np.sqrt(total)
    summed = np.matmul(weights[:, None, :].astype(states.dtype), states)[:, 0]
    return np.asarray(summed / np.maximum(total, SMALLEST_COUNT)[:, None], states.dtype)


def read_head(folder: Path) -> Head:
    """Read `folder`/modules.json; without it, the model is an encoder with mean pooling.

    Raises Unavailable for a module that is not supported, EngineFailed for broken files.
    """
    modules = _modules(folder)
    kinds = [kind for kind, _ in modules]
    if kinds[:1] != ["Transformer"] or kinds[1:2] not in ([], ["Pooling"]):
        raise _unsupported(", ".join(kinds))
    settings = read_json(folder / "config_sentence_transformers.json")
    prompts = read_prompts(settings.get("prompts"), settings.get("default_prompt_name"))
    pooling = read_json(modules[1][1] / "config.json") if len(modules) > 1 else {}
    pooled = bool(pooling.get("include_prompt", True))
    if prompts.default and not pooled:
        raise _unsupported("Pooling without the prompt")
    return Head(
        encoder=modules[0][1],
        modes=_modes(pooling),
        after=tuple(_module(kind, path) for kind, path in modules[2:]),
        prompts=replace(prompts, pooled=pooled),
    )


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is no such file. Raises EngineFailed."""
    try:
        found = json.loads(file.read_bytes()) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise EngineFailed(f"{file.name} of the model cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise EngineFailed(f"{file.name} of the model is not a JSON object.")
    return found


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """The types and the folders of the modules, in order."""
    file = folder / "modules.json"
    if not file.exists():
        return [("Transformer", folder)]
    try:
        entries = sorted(json.loads(file.read_bytes()), key=lambda entry: entry["idx"])
        return [(entry["type"].rpartition(".")[2], folder / entry["path"]) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EngineFailed(f"modules.json of the model cannot be read: {error!r}.") from error


def _modes(config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is None:
        named = [mode for flag, mode in FLAGS.items() if config.get(flag)] or ["mean"]
    modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in FLAGS.values():
            raise _unsupported(f"Pooling with the mode {mode}")
    return modes


def _module(kind: str, folder: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    if kind == "Normalize":
        return normalised
    if kind == "Dense":
        return _dense(folder)
    raise _unsupported(kind)


def _dense(folder: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    inputs = config.get("module_input_name", "sentence_embedding")
    if activation not in ACTIVATIONS:
        raise _unsupported(f"Dense with the activation {activation}")
    if config.get("use_residual") or inputs != "sentence_embedding":
        raise _unsupported("Dense of this form")
    try:
        weights = load_file(folder / "model.safetensors")
        matrix = weights["linear.weight"].astype(np.float32).T
        bias = weights["linear.bias"].astype(np.float32) if config.get("bias", True) else 0.0
    except (OSError, KeyError, SafetensorError) as error:
        raise EngineFailed(
            f"The module {folder.name} of the model has no usable model.safetensors: {error!r}."
        ) from error

    def apply(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        result = vectors @ matrix + bias
        if activation == "Tanh":
            return np.asarray(np.tanh(result))
        return np.asarray(np.maximum(result, 0)) if activation == "ReLU" else result

    return apply


def _unsupported(modules: str) -> Unavailable:
    return Unavailable(
        f"The engine `onnx_embeddings` does not know these modules of the model: {modules}. "
        "The engine `sentence_transformers` runs them: "
        "pip install 'openedai[sentence-transformers]'."
    )
