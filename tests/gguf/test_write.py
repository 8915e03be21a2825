"""Files that are written, read by the format's own library."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openedai.gguf.header import read_header
from openedai.gguf.write import write_gguf
from tests.gguf import tiny_gguf


def test_the_librarys_reader_finds_what_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tensors = {
        f"tensor {number}": random.normal(0, 1, shape).astype(np.float32)
        for number, shape in enumerate([(3, 5), (1, 1), (7, 2)])
    }
    path = tmp_path / "m.gguf"
    write_gguf(path, {"general.architecture": "llama", "a.number": 0.25, "é": ""}, tensors)
    content = tiny_gguf.read(path)
    assert content.fields["general.architecture"] == "llama"
    assert (content.fields["a.number"], content.fields["é"]) == (0.25, "")
    assert list(content.weights) == list(tensors)
    for name, weights in tensors.items():
        assert np.array_equal(content.weights[name], weights)
    metadata = read_header(path).metadata
    assert metadata.floats == {"a.number": 0.25}
