from __future__ import annotations

from pathlib import Path

import pytest

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.weights.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(Settings(_env_file=None, cache_dir=tmp_path / "cache"))


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def spec(path: Path, engine: str = "llama_cpp") -> ModelSpec:
    return ModelSpec(id="m", engine=engine, source=str(path))


def test_the_size_includes_the_projector(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "projectors").mkdir()
    (tmp_path / "projectors" / "mmproj.gguf").write_bytes(b"projector")
    library = Library(Settings(_env_file=None, cache_dir=tmp_path / "cache"))
    for projector, size in (
        ("projectors/mmproj.gguf", 13),
        (str(tmp_path / "projectors" / "mmproj.gguf"), 13),
        ("gone.gguf", 4),
        ("projectors", 4),
        (5, 4),
    ):
        spec = ModelSpec(
            id="m",
            engine="llama_cpp",
            source=str(tmp_path / "m.gguf"),
            options={"mmproj": projector},
        )
        assert library.size(spec) == size


def test_a_gguf_file_is_used_in_place(library: Library, tmp_path: Path) -> None:
    file = write(tmp_path, "m.gguf") / "m.gguf"
    assert library.find(spec(file)) == library.pull(spec(file)) == file
    assert library.size(spec(file)) == 6
    assert library.download_size(spec(file)) == 0
    assert library.remove(spec(file)) == 0
    assert file.exists()


def test_a_folder_with_a_gguf_file(library: Library, tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "m-Q8_0.gguf", "m-Q4_K_M.gguf")
    assert library.pull(spec(folder)) == folder / "m-Q4_K_M.gguf"


@pytest.mark.parametrize("engine", ["llama_cpp", "onnx_embeddings", "sentence_transformers"])
def test_a_missing_path(library: Library, tmp_path: Path, engine: str) -> None:
    missing = spec(tmp_path / "missing", engine)
    assert library.find(missing) is None
    with pytest.raises(Unavailable, match=r"`m` is not available\. There is no file or folder"):
        library.pull(missing)
    assert not list((tmp_path / "cache/models").iterdir())


@pytest.mark.parametrize("engine", ["llama_cpp", "sentence_transformers"])
def test_a_path_of_the_wrong_type(library: Library, tmp_path: Path, engine: str) -> None:
    folder = write(tmp_path / "d", "readme.txt")
    wrong = folder if engine == "llama_cpp" else folder / "readme.txt"
    with pytest.raises(Unavailable, match="is no"):
        library.pull(spec(wrong, engine))


@pytest.mark.parametrize(
    ("engine", "weights"),
    [("sentence_transformers", "model.safetensors"), ("onnx_embeddings", "model.onnx")],
)
def test_a_ready_folder_is_used_in_place(
    library: Library, tmp_path: Path, engine: str, weights: str
) -> None:
    folder = write(tmp_path / "d", "modules.json", weights)
    assert library.pull(spec(folder, engine)) == folder
    assert library.find(spec(folder, engine)) == folder
    assert not (tmp_path / "cache").exists()


def test_a_folder_with_its_graph_elsewhere_is_prepared(library: Library, tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "modules.json", "onnx/model.onnx", "pytorch_model.bin")
    embedder = spec(folder, "onnx_embeddings")
    path = library.pull(embedder)
    assert path is not None
    assert library.find(embedder) == path != folder
    assert (path / "model.onnx").read_bytes() == b"onnx/model.onnx"
    assert not (path / "pytorch_model.bin").exists()
    (folder / "modules.json").write_bytes(b"[1]")
    assert library.find(embedder) is None
    again = library.pull(embedder)
    assert again is not None
    assert (again / "modules.json").read_bytes() == b"[1]"
    assert not path.exists()
    library.remove(embedder)
    assert (folder / "onnx/model.onnx").exists()


def test_a_folder_with_pickles_only(library: Library, tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "modules.json", "pytorch_model.bin")
    with pytest.raises(Unavailable, match="neither ONNX nor safetensors"):
        library.pull(spec(folder, "onnx_embeddings"))
