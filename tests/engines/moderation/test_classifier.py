"""The files of classifiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.contract.moderate import CATEGORIES
from openedai.engines.moderation.classifier import (
    Classifier,
    packaged_classifiers,
    read_classifier,
    written_classifier,
)
from openedai.errors import EngineFailed


def small(labels: int = len(CATEGORIES), width: int = 4) -> Classifier:
    tensors = {
        "hidden.weight": np.ones((8, width), np.float32),
        "hidden.bias": np.zeros(4, np.float32),
        "output.weight": np.full((4, labels), 0.5, np.float32),
        "output.bias": np.zeros(labels, np.float32),
        "encoder.layer.0.output.dense.down": np.ones((8, 2), np.float32),
        "encoder.layer.0.output.dense.up": np.ones((2, 8), np.float32),
    }
    return Classifier(tensors, (0.25,) * len(CATEGORIES))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_classifier(small()))
    found = read_classifier(str(file))
    assert found.thresholds == small().thresholds
    assert set(found.tensors) == set(small().tensors)
    for name, values in small().tensors.items():
        assert found.tensors[name].dtype == np.float32
        assert np.array_equal(found.tensors[name], values)


@pytest.mark.parametrize("other", [small(labels=2), small(width=5)])
def test_layers_that_do_not_fit_together(tmp_path: Path, other: Classifier) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_classifier(other))
    with pytest.raises(EngineFailed, match="for other categories"):
        read_classifier(str(file))


@pytest.mark.parametrize("raw", [b"", b"nothing", written_classifier(small())[:-5]])
def test_files_that_are_no_classifiers(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(raw)
    with pytest.raises(EngineFailed, match="cannot be read"):
        read_classifier(str(file))


def test_classifiers_that_are_nowhere() -> None:
    with pytest.raises(EngineFailed, match="neither as a file nor in this package"):
        read_classifier("nowhere")


def test_the_packaged_ones_are_those_of_the_built_in_models() -> None:
    used = {spec.options["moderation"] for spec in BUILTIN_MODELS if "moderation" in spec.options}
    assert set(packaged_classifiers()) == used
    for name in packaged_classifiers():
        found = read_classifier(name)
        assert all(0.15 <= threshold <= 0.8 for threshold in found.thresholds)
        assert len(written_classifier(found)) < 900_000
