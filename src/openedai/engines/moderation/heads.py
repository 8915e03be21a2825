"""The heads: a small network from an embedding to the probability of each category.

Those of the built-in embedding models are files of this package, written by `python -m moderation`
in the repository. `docs/moderation.md` has their model card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openedai.contract.moderate import CATEGORIES
from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Heads:
    """`hidden` and `output` are the weights and biases of two layers, with ReLU after the first.

    `thresholds` has the probability from which on a category is flagged, in the order of
    CATEGORIES.
    """

    hidden: tuple[NDArray[np.float32], NDArray[np.float32]]
    output: tuple[NDArray[np.float32], NDArray[np.float32]]
    thresholds: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """The length of the embeddings that are scored."""
        return int(self.hidden[0].shape[0])

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """From [texts, dimensions] to [texts, categories]."""
        import numpy as np

        states = np.maximum(vectors @ self.hidden[0] + self.hidden[1], 0)
        log_odds = states @ self.output[0] + self.output[1]
        return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)


def packaged_heads() -> tuple[str, ...]:
    """The names of the heads in this package."""
    files = resources.files("openedai.engines.moderation").joinpath("trained").iterdir()
    return tuple(sorted(f.name.removesuffix(SUFFIX) for f in files if f.name.endswith(SUFFIX)))


def read_heads(name: str, dimensions: int) -> Heads:
    """The heads of that name in this package, or in the file at that path, for embeddings of that
    length. Raises EngineFailed.
    """
    if name in packaged_heads():
        file = resources.files("openedai.engines.moderation").joinpath("trained", name + SUFFIX)
        raw = file.read_bytes()
    else:
        try:
            raw = Path(name).expanduser().read_bytes()
        except OSError as error:
            known = ", ".join(packaged_heads())
            raise EngineFailed(
                f"There are no moderation heads `{name}`, neither as a file nor in this package: "
                f"{known}."
            ) from error
    heads = _heads(name, raw)
    if heads.dimensions != dimensions:
        raise EngineFailed(
            f"The moderation heads `{name}` are for embeddings with {heads.dimensions} dimensions, "
            f"and these have {dimensions}."
        )
    return heads


def written_heads(heads: Heads) -> bytes:
    """The heads as a file, the larger weights with 16 bits each."""
    import numpy as np
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {
        "hidden.weight": heads.hidden[0].astype(np.float16),
        "hidden.bias": heads.hidden[1],
        "output.weight": heads.output[0].astype(np.float16),
        "output.bias": heads.output[1],
    }
    thresholds = json.dumps(dict(zip(CATEGORIES, heads.thresholds, strict=True)))
    return bytes(save(tensors, {"thresholds": thresholds}))


def _heads(name: str, raw: bytes) -> Heads:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = {key: value.astype(np.float32) for key, value in load(raw).items()}
        thresholds = _thresholds(raw)
        heads = Heads(
            hidden=(tensors["hidden.weight"], tensors["hidden.bias"]),
            output=(tensors["output.weight"], tensors["output.bias"]),
            thresholds=tuple(float(thresholds[category]) for category in CATEGORIES),
        )
        probabilities = heads.probabilities(np.zeros((1, heads.dimensions), np.float32))
    except (SafetensorError, ValueError, TypeError, KeyError, IndexError) as error:
        raise EngineFailed(f"The moderation heads `{name}` cannot be read: {error!r}.") from error
    if probabilities.shape != (1, len(CATEGORIES)):
        raise EngineFailed(f"The moderation heads `{name}` are for other categories.")
    return heads


def _thresholds(raw: bytes) -> Mapping[str, float]:
    """They are in the metadata, in the JSON at the beginning of the file after its length."""
    size = int.from_bytes(raw[:8], "little")
    thresholds: Mapping[str, float] = json.loads(
        json.loads(raw[8 : 8 + size])["__metadata__"]["thresholds"]
    )
    return thresholds
