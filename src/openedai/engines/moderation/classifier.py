"""Classifiers for moderation: small matrices and a head on top of an embedding model.

Those for the built-in embedding models are files of this package, written by `python -m moderation`
in the repository. `docs/moderation.md` has their model card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.contract.moderate import CATEGORIES
from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".safetensors"
HEAD = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")


@dataclass(frozen=True)
class Classifier:
    """`tensors` are as `adapted_graph` takes them. Its logits are the categories' log odds.

    `thresholds` has the probability from which on a category is flagged, in the order of
    CATEGORIES.
    """

    tensors: Mapping[str, NDArray[np.float32]]
    thresholds: tuple[float, ...]


def packaged_classifiers() -> tuple[str, ...]:
    """The names of the classifiers in this package."""
    files = resources.files("openedai.engines.moderation").joinpath("trained").iterdir()
    return tuple(sorted(f.name.removesuffix(SUFFIX) for f in files if f.name.endswith(SUFFIX)))


def read_classifier(name: str) -> Classifier:
    """The classifier with this name in this package, or in the file at this path. Raises
    EngineFailed.
    """
    if name in packaged_classifiers():
        file = resources.files("openedai.engines.moderation").joinpath("trained", name + SUFFIX)
        raw = file.read_bytes()
    else:
        try:
            raw = Path(name).expanduser().read_bytes()
        except OSError as error:
            known = ", ".join(packaged_classifiers())
            raise EngineFailed(
                f"There is no moderation classifier `{name}`, neither as a file nor in this "
                f"package: {known}."
            ) from error
    return _classifier(name, raw)


def written_classifier(classifier: Classifier) -> bytes:
    """The classifier as the bytes of a file; its matrices have 16 bits per number."""
    import numpy as np
    from safetensors.numpy import save

    tensors = {
        name: values.astype(np.float16) if values.ndim == 2 else values
        for name, values in sorted(classifier.tensors.items())
    }
    thresholds = json.dumps(dict(zip(CATEGORIES, classifier.thresholds, strict=True)))
    return bytes(save(tensors, {"thresholds": thresholds}))


def _classifier(name: str, raw: bytes) -> Classifier:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = {key: value.astype(np.float32) for key, value in load(raw).items()}
        thresholds = _thresholds(raw)
        classifier = Classifier(
            tensors=tensors,
            thresholds=tuple(float(thresholds[category]) for category in CATEGORIES),
        )
        ((_, hidden), (width,), (inputs, outputs), (labels,)) = (tensors[key].shape for key in HEAD)
    except (SafetensorError, ValueError, TypeError, KeyError, IndexError) as error:
        raise EngineFailed(
            f"The moderation classifier `{name}` cannot be read: {error!r}."
        ) from error
    if not hidden == width == inputs or not outputs == labels == len(CATEGORIES):
        raise EngineFailed(f"The moderation classifier `{name}` is for other categories.")
    return classifier


def _thresholds(raw: bytes) -> Mapping[str, float]:
    """The thresholds, from the metadata: the JSON at the beginning of the file, after its
    length.
    """
    size = int.from_bytes(raw[:8], "little")
    thresholds: Mapping[str, float] = json.loads(
        json.loads(raw[8 : 8 + size])["__metadata__"]["thresholds"]
    )
    return thresholds
