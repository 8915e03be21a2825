"""The built-in models as they really are: pulled once into the user's own cache."""

from __future__ import annotations

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.engines.machine import processor_features
from openedai.gguf.header import read_header
from openedai.gguf.kernels import fast_types
from openedai.weights.disk import digest
from openedai.weights.library import Library
from openedai.weights.packages import builtin_packages


@pytest.mark.real
def test_the_default_chat_model() -> None:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("smollm2-135m-instruct").spec
    path = Library(settings).pull(spec)
    assert path is not None
    header = read_header(path)
    types = {tensor.name: tensor.type.name for tensor in header.tensors}
    file_type = header.metadata.integers["general.file_type"].value
    if not fast_types(processor_features()):
        (pin,) = builtin_packages()["smollm2-135m-instruct"].files
        assert (path.stat().st_size, digest(path)) == (pin.size, pin.sha256)
        return
    assert file_type == 7  # mostly Q8_0
    assert types["blk.29.ffn_gate.weight"] == "IQ4_NL"
    assert types["blk.29.ffn_down.weight"] == "Q4_K"
    assert types["token_embd.weight"] == types["blk.29.attn_v.weight"] == "Q8_0"
    assert Library(settings).slow_share(spec) == 0


@pytest.mark.real
def test_the_default_embedding_model() -> None:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("all-mpnet-base-v2").spec
    library = Library(settings)
    folder = library.pull(spec)
    assert folder is not None
    assert library.find(spec) == folder
    graph, weights = folder / "model.onnx", folder / "model.safetensors"
    # The graph refers to the weights; it does not contain them.
    assert graph.stat().st_size < 1 << 20 < weights.stat().st_size


def test_every_part_is_in_a_wheel_of_its_package() -> None:
    for package in builtin_packages().values():
        wheels = {wheel.name for wheel in package.wheels}
        files = {file.name for file in package.files}
        assert set(package.parts) <= files
        named = [part.partition(":") for parts in package.parts.values() for part in parts]
        assert {wheel for wheel, _, _ in named} <= wheels
        assert all(member for _, _, member in named)
